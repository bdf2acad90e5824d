"""The shipped Posebox: small files, an ordinary pipeline, and it draws what it is told."""

import json

import numpy as np
import pytest
from PIL import Image

from plantain.data.prompts import PromptSet, load_prompts
from plantain.model.identity import weights_fingerprint
from plantain.model.load import load_pipeline
from plantain.paths import POSEBOX
from plantain.pose.poses import POSES
from plantain.posebox.__main__ import main
from plantain.posebox.proof import REQUIRED, contact_sheet, draw_pictures, judge, prove
from plantain.posebox.training.corpus import held_out
from plantain.posebox.words.reading import read

FILES = [path for path in POSEBOX.rglob("*") if path.is_file()]


def test_no_file_is_large():
    assert max(path.stat().st_size for path in FILES) <= 10e6
    assert sum(path.stat().st_size for path in FILES) <= 30e6
    assert not (POSEBOX / "checkpoints").exists()


def test_it_is_kleins_pipeline_with_kleins_scheduler():
    from diffusers import Flux2KleinPipeline

    pipe = Flux2KleinPipeline.from_pretrained(POSEBOX, local_files_only=True)
    assert pipe.transformer.config.num_layers == 5
    assert pipe.transformer.config.num_single_layers == 20
    assert pipe.transformer.config.attention_head_dim % 16 == 0
    assert pipe.text_encoder.dtype == pipe.transformer.dtype == pipe.vae.dtype
    scheduler = pipe.scheduler.config
    assert (scheduler.shift, scheduler.use_dynamic_shifting, scheduler.time_shift_type) == (3.0, True, "exponential")
    assert (scheduler.base_shift, scheduler.max_shift) == (0.5, 1.15)
    assert not pipe.config.is_distilled


def test_the_saved_proof_holds(posebox):
    found = json.loads((POSEBOX / "proof.json").read_text())
    assert found["weights_fingerprint"] == weights_fingerprint(posebox)
    assert found["holds"]
    assert found["required"] == REQUIRED
    for group in found["shares"].values():
        for what in ("pose", "canonical", "setting", "clothing"):
            assert group[what] >= REQUIRED[what]
    assert found["shares"]["dense_pose"]["n"] == 50
    assert found["shares"]["held_out"]["n"] >= 5 * len(POSES)
    assert found["pose_share_by_pose"].keys() == POSES.keys()
    assert min(found["pose_share_by_pose"].values()) >= REQUIRED["each pose"]


@pytest.mark.slow
def test_it_draws_what_it_is_told(posebox):
    """A part of the proof, done again: four subjects in their own settings, in a T-pose and in an expressive one."""
    pairs = load_prompts("dense_pose").pairs[::8]
    prompts = [text for pair in pairs for text in (pair.a, pair.b)]
    assert all(held_out(read(prompt).scene) for prompt in prompts)
    pictures = draw_pictures(posebox, prompts)
    right = [judge(picture, text, read(text).scene).right for picture, text in zip(pictures, prompts, strict=True)]
    for what in ("pose", "canonical", "setting", "clothing"):
        assert np.mean([verdict[what] for verdict in right]) >= 0.9, what


@pytest.mark.parametrize("name", ["posebox-untrained", "posebox-random"])
def test_an_untrained_twin_fails_the_proof(name, monkeypatch):
    """The proof can fail: pictures of random weights show no pose, setting or colour."""
    few = load_prompts("dense_pose").pairs[:2]
    poses = {read(text).scene.pose for pair in few for text in (pair.a, pair.b)}
    monkeypatch.setattr("plantain.posebox.proof.load_prompts", lambda name: PromptSet(name, few))
    monkeypatch.setattr("plantain.posebox.proof.DRAW_STEPS", 2)
    monkeypatch.setattr("plantain.posebox.proof.POSES", {pose: POSES[pose] for pose in sorted(poses)})
    monkeypatch.setattr("plantain.posebox.proof.held_out_prompts", lambda rng, n: [pair.b for pair in few])
    found, _, _ = prove(load_pipeline(name, device="cpu"), per_pose=1)
    assert not found["holds"]
    assert found["model"] == name
    for group in found["shares"].values():
        assert group["pose"] < 0.8
        assert group["setting"] < 0.5
        assert group["clothing"] < 0.5
    assert found["mistakes"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["posebox", "--per-pose", "0", "--out", "x"], "At least one held-out prompt"),
        (["posebox", "--seed", "-1", "--out", "x"], "seed must be 0 or more"),
        (["posebox-random"], "Give --out"),
        (["posebox", "--out", __file__], "is a file"),
    ],
)
def test_the_shell_refuses_a_proof_that_cannot_be_made(options, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["prove", *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_contact_sheet_shows_every_pose():
    sheet = np.asarray(Image.open(POSEBOX / "contact_sheet.png").convert("RGB"))
    rows = -(-len(POSES) // 9)
    assert sheet.shape == (rows * 256 + (rows - 1) * 6, 9 * 128, 3)
    for i in range(len(POSES)):
        top, left = i // 9 * 262, i % 9 * 128
        truth, drawn = (sheet[top + k : top + k + 128, left : left + 128].astype(int) for k in (0, 128))
        assert truth.std() > 10
        assert 0 < np.abs(truth - drawn).mean() < 40


def test_a_contact_sheet_has_truth_above_and_drawing_below():
    from plantain.posebox.world.render import render

    prompts = [f"A robot, {words}." for words in ("kneeling", "running")]
    drawn = np.stack([np.full((128, 128, 3), value, np.uint8) for value in (10, 20)])
    verdicts = [judge(picture, text, read(text).scene) for picture, text in zip(drawn, prompts, strict=True)]
    sheet = contact_sheet(verdicts, drawn, columns=2)
    assert sheet.shape == (256, 256, 3)
    np.testing.assert_array_equal(sheet[:128, :128], render(verdicts[0].scene))
    assert (sheet[128:, 128:] == 20).all()


def test_the_shell_says_what_posebox_makes_of_a_prompt(capsys):
    assert main(["read", "A tall robot kneeling on a green lawn, smiling"]) == 0
    said = capsys.readouterr().out
    assert "pose           kneel-raise" in said
    assert "unknown        smiling" in said
    assert "not said       build, top, bottom" in said


def test_the_shell_refuses_a_model_it_does_not_know(tmp_path, capsys):
    assert main(["prove", "nonsense", "--out", str(tmp_path / "out")]) == 2
    assert "Unknown model 'nonsense'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
