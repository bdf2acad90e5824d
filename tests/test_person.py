"""Person models: shapes, order, nobody found, the one person taken, and sentences; real classes, random weights."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from plantain.data.bodies import bodies_from_points
from plantain.errors import InputError
from plantain.model import person
from plantain.model.person import DETECTOR, ESTIMATOR, detect_points, load_person_models

N = 11  # more than one batch, and no multiple of it


def saved_detector(folder, bias, **config):
    """A small random RT-DETR whose detections are persons for a bias above 0, and none below."""
    import transformers as t

    torch.manual_seed(0)
    backbone = t.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1] * 4, layer_type="basic", out_indices=[2, 3, 4]
    )
    shrunk = dict.fromkeys(("d_model", "encoder_hidden_dim", "encoder_ffn_dim", "decoder_ffn_dim"), 16)
    channels = {name: [16] * 3 for name in ("encoder_in_channels", "decoder_in_channels")}
    heads = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads", "decoder_layers"), 2)
    model = t.RTDetrForObjectDetection(
        t.RTDetrConfig(backbone_config=backbone, num_queries=10, num_labels=80, **shrunk, **channels, **heads, **config)
    )
    for head in model.model.decoder.class_embed:
        head.bias.data[0] = bias
    model.save_pretrained(folder)
    t.RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return str(folder)


def saved_estimator(folder, n_points=17, **config):
    import transformers as t

    torch.manual_seed(0)
    backbone = t.VitPoseBackboneConfig(
        image_size=(64, 48), patch_size=(16, 16), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        out_indices=[2], **config,
    )  # fmt: skip
    model = t.VitPoseForPoseEstimation(t.VitPoseConfig(backbone_config=backbone, num_labels=n_points))
    model.save_pretrained(folder)
    t.VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    at = tmp_path_factory.mktemp("person")
    return saved_detector(at / "sees", 5.0), saved_detector(at / "blind", -9.0), saved_estimator(at / "estimator")


@pytest.fixture(scope="module")
def models(folders):
    return load_person_models(folders[0], folders[2], "cpu")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (N, 90, 120, 3), dtype=np.uint8)


def test_points_have_their_shape_and_the_pictures_order(models, pictures):
    points = detect_points(models, pictures)
    assert (points.shape, points.dtype) == ((N, 17, 3), np.float32)
    assert np.isfinite(points).all()
    backwards = detect_points(models, [Image.fromarray(picture) for picture in pictures[::-1]])
    np.testing.assert_allclose(backwards[::-1], points, atol=1e-2)
    assert np.abs(points[0] - points[1]).max() > 0.1
    assert detect_points(models, []).shape == (0, 17, 3)


def test_nobody_found_is_nan(folders, pictures):
    blind = load_person_models(folders[1], folders[2], "cpu")
    points = detect_points(blind, pictures[:3])
    assert points.shape == (3, 17, 3)
    assert np.isnan(points).all()
    bodies = bodies_from_points(
        np.concatenate([points, points[:1]]).reshape(2, 2, 17, 3), (90, 120), (5, 7), ["x", "y"]
    )
    assert not bodies.found.any()
    assert bodies.notes[0] == "Pair 'x', A: no person was found; it is left out."


class Seen:
    """A detector's processor that finds what it is told: (score, label, box as corners), by picture."""

    def __init__(self, real, told):
        self.real, self.told = real, told

    def __call__(self, **given):
        return self.real(**given)

    def post_process_object_detection(self, outputs, threshold, target_sizes):
        assert threshold == 0.3
        assert target_sizes.tolist() == [[90, 120]] * len(self.told)
        empty = {"scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.long), "boxes": torch.zeros(0, 4)}
        return [
            dict(zip(("scores", "labels", "boxes"), map(torch.tensor, zip(*some, strict=True)), strict=True))
            if some
            else empty
            for some in self.told
        ]


def test_the_person_with_the_largest_score_times_area_is_taken(models, pictures):
    told = [
        [(0.9, 0, [0.0, 0, 10, 10]), (0.5, 0, [20.0, 10, 60, 80]), (0.99, 16, [0.0, 0, 120, 90])],
        [],
        [(0.9, 16, [0.0, 0, 120, 90])],
        [(0.6, 0, [-5.0, 30, 30, 200])],
    ]
    seen = replace(models, detector_processor=Seen(models.detector_processor, told))
    images = [person._image(picture) for picture in pictures[:4]]
    boxes = person._person_boxes(seen, images)
    assert boxes[0] == pytest.approx([20, 10, 40, 70])
    assert boxes[1:3] == [None, None]
    assert boxes[3] == pytest.approx([0, 30, 30, 60])  # cut at the picture's edge
    points = detect_points(seen, pictures[:4])
    assert np.isnan(points[1:3]).all()
    assert np.isfinite(points[[0, 3]]).all()


def test_points_are_in_pixels_of_the_picture(models, pictures):
    """A heat map with one peak at its middle puts the keypoint at the middle of the box."""
    points = None

    class Peaked(torch.nn.Module):
        config = models.estimator.config

        def forward(self, pixel_values):
            from types import SimpleNamespace

            assert pixel_values.shape == (1, 3, 64, 48)
            y, x = torch.arange(17.0)[:, None], torch.arange(13.0)[None]
            peak = torch.exp(-((y - 8) ** 2 + (x - 6) ** 2) / 8)
            return SimpleNamespace(heatmaps=(0.9 * peak).expand(1, 17, 17, 13).contiguous())

    told = [[(0.9, 0, [20.0, 10, 60, 80])]]
    seen = replace(models, estimator=Peaked(), detector_processor=Seen(models.detector_processor, told))
    points = detect_points(seen, pictures[:1])
    np.testing.assert_allclose(points[0, :, :2], np.tile([40, 45], (17, 1)), atol=0.05)
    np.testing.assert_allclose(points[0, :, 2], 0.9, atol=1e-5)


def test_a_model_of_several_data_sets_is_asked_for_coco(folders, pictures, tmp_path):
    several = saved_estimator(tmp_path / "several", num_experts=2, part_features=4)
    assert np.isfinite(detect_points(load_person_models(folders[0], several, "cpu"), pictures[:2])).all()


def test_pictures_that_are_none_are_refused(models, pictures):
    for wrong in (pictures[0].astype(float), pictures[0, :, :, 0], pictures[0][:, :, :2]):
        with pytest.raises(InputError, match="A picture is uint8"):
            detect_points(models, [wrong])


def test_models_name_their_source(models, folders):
    assert models.source == f"{folders[0]} and {folders[2]}"
    assert (models.detector.training, models.estimator.training) == (False, False)


def test_what_cannot_be_loaded_is_one_sentence(folders, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({"model_type": "rt_detr"}))
    cases = [
        ((str(tmp_path / "empty"), folders[2]), "expected a readable config.json with rt_detr"),
        ((folders[2], folders[2]), "holds a model of type 'vitpose'; RTDetrForObjectDetection needs 'rt_detr'"),
        ((str(broken), folders[2]), "cannot be loaded"),
        (("nowhere", folders[2]), "Unknown model 'nowhere'"),
        (("a/b/c", folders[2]), "Unknown model 'a/b/c'"),
        ((DETECTOR, folders[2]), "not in the local cache"),
        ((folders[0], ESTIMATOR), "not in the local cache"),
        ((folders[0], saved_estimator(tmp_path / "many", 21)), "finds 21 keypoints"),
        (
            (saved_detector(tmp_path / "cats", 1.0, id2label={0: "cat"} | {i: str(i) for i in range(1, 80)}), None),
            "'cat'",
        ),
    ]
    for given, match in cases:
        with pytest.raises(InputError, match=match) as caught:
            load_person_models(given[0], given[1] or folders[2], "cpu")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="Unknown device"):
        load_person_models(*folders[::2], device="abacus")


def test_a_pickle_is_not_read(folders, tmp_path):
    copy = tmp_path / "pickled"
    copy.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (copy / name).write_bytes((tmp_path.__class__(folders[2]) / name).read_bytes())
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_person_models(folders[0], str(copy), "cpu")
