"""Pictures of a run: the probe's own noise, the same however drawn or stopped, and files that are checked when read."""

import contextlib
import errno
import io
import json
import os
import struct
import tempfile
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import build_odd

import plantain
import plantain.probe.pictures
import plantain.probe.saving
from plantain import cli
from plantain.data import pictures as kept
from plantain.data import webp
from plantain.data.pictures import DrawConfig, Pictures, load_pictures, prompts_digest
from plantain.data.prompts import PromptSet, load_prompts
from plantain.errors import InputError
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS
from plantain.model.text import call_arguments, drawing_defaults
from plantain.paths import RUNS
from plantain.posebox.proof import judge
from plantain.posebox.words.reading import read
from plantain.probe.pictures import draw_pictures, iter_pictures
from plantain.probe.saving import saved_steps

PAIR = plantain.ProbeConfig(batch_size=2)
# Rounding on other threads, or in another batch, may move a value by one of 256.
ROUNDING = 1


@pytest.fixture(scope="module")
def few():
    """Three pairs of the pose set."""
    prompts = load_prompts("dense_pose")
    return replace(prompts, pairs=prompts.pairs[:3])


@pytest.fixture(scope="module")
def drawn(odd_pipeline, few):
    return draw_pictures(odd_pipeline, few, PAIR, steps=2, guidance=1.5)


@pytest.fixture
def saved(drawn, tmp_path):
    """A run's folder with pictures in it, and these."""
    drawn.save(tmp_path)
    return tmp_path, tmp_path / "pictures"


# -- drawing ---------------------------------------------------------------------------------------


def test_posebox_draws_from_the_very_noise_of_the_probe(posebox, few):
    """As the pipeline itself does with a generator of the probe's seed for each prompt."""
    seed = plantain.ProbeConfig(seed=5)
    pictures = draw_pictures(posebox, replace(few, pairs=few.pairs[:2]), seed, steps=2)
    assert pictures.pixels.shape == (2, 2, 128, 128, 3)
    assert asdict(pictures.config) == {
        "seed": 5,
        "num_inference_steps": 2,
        "guidance_scale": DRAW_GUIDANCE,
        "height": 128,
        "width": 128,
    }
    generators = [torch.Generator().manual_seed(5) for _ in range(4)]
    options = {"num_inference_steps": 2, "guidance_scale": DRAW_GUIDANCE, **call_arguments(posebox)}
    images = posebox(prompt=few.prompts[:4], generator=generators, **options).images
    own = np.stack([np.asarray(image) for image in images]).reshape(pictures.pixels.shape)
    assert np.abs(own.astype(int) - pictures.pixels).max() <= ROUNDING


def test_the_transformer_is_shown_what_the_probe_shows_it(odd_pipeline, few):
    """Bit for bit the same latents at the first step, for every prompt."""
    seen = []

    def first(module, arguments, keywords):
        seen.append(keywords["hidden_states"].clone())

    handle = odd_pipeline.transformer.register_forward_pre_hook(first, with_kwargs=True)
    try:
        plantain.run_probe(odd_pipeline, few, plantain.ProbeConfig(seed=3, batch_size=2))
        probed = seen.copy()
        seen.clear()
        draw_pictures(odd_pipeline, few, plantain.ProbeConfig(seed=3, batch_size=2), steps=2, guidance=1)
    finally:
        handle.remove()
    assert (len(probed), len(seen)) == (3, 6)
    assert all(torch.equal(latents[i], probed[0][0]) for latents in (*probed, *seen[::2]) for i in (0, 1))


def test_what_is_recorded(drawn, odd_pipeline):
    known = drawn.provenance
    assert {"model", "revision", "weights_fingerprint", "vae_fingerprint", "device", "dtype", "batch_size"} <= set(
        known
    )
    assert {"torch", "diffusers", "numpy", "pillow", "plantain", "python"} <= set(known["versions"])
    assert known["seconds"] > 0
    assert (drawn.config.height, drawn.config.width) == (96, 64)
    assert drawn.complete
    assert not drawn.pixels.flags.writeable
    assert odd_pipeline.vae.use_slicing is False


def test_a_seed_draws_the_same_bytes_again_and_another_draws_others(odd_pipeline, drawn, few):
    again = draw_pictures(odd_pipeline, few, PAIR, steps=2, guidance=1.5)
    assert (again.files, again.digest) == (drawn.files, drawn.digest)
    other = draw_pictures(odd_pipeline, few, replace(PAIR, seed=1), steps=2, guidance=1.5)
    assert not np.array_equal(other.pixels, drawn.pixels)
    assert other.digest != drawn.digest


def test_a_stop_and_a_resume_equal_an_uninterrupted_drawing(odd_pipeline, drawn, few, tmp_path):
    with contextlib.closing(iter_pictures(odd_pipeline, few, PAIR, steps=2, guidance=1.5)) as steps:
        part = next(steps)
        assert (part.done, part.total, part.result.complete) == (1, 3, False)
        assert part.seconds_left > 0
    part.result.save(tmp_path)
    loaded = load_pictures(tmp_path, few)
    assert (loaded.n_pairs, loaded.complete) == (1, False)
    whole = draw_pictures(odd_pipeline, few, PAIR, loaded)  # steps and guidance are the saved ones
    assert whole.files == drawn.files
    assert whole.config == drawn.config
    assert whole.provenance["resumed"][0]["from_pair"] == 1
    assert draw_pictures(odd_pipeline, few, PAIR, whole) is whole
    whole.save(tmp_path)
    assert load_pictures(tmp_path, few) == whole


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 3}, "num_inference_steps 2, these 3"),
        ({"guidance": 2.0}, r"guidance_scale 1\.5, these 2\.0"),
        ({"config": replace(PAIR, seed=4)}, "seed 0, these 4"),
        ({"config": replace(PAIR, height=64)}, "height 96, these 64"),
    ],
)
def test_pictures_of_other_settings_are_not_gone_on_with(odd_pipeline, drawn, few, change, sentence):
    arguments = {"config": PAIR, "resume": drawn.first(1), **change}
    with pytest.raises(InputError, match=sentence):
        draw_pictures(odd_pipeline, few, **arguments)


def test_pictures_of_other_weights_or_prompts_are_not_gone_on_with(odd_pipeline, drawn, few):
    with pytest.raises(InputError, match="weights_fingerprint"):
        draw_pictures(build_odd(seed=1), few, PAIR, drawn.first(1))
    turned = replace(few, pairs=few.pairs[::-1])
    with pytest.raises(InputError, match="with other texts"):
        draw_pictures(odd_pipeline, turned, PAIR, drawn.first(1))
    other = build_odd()
    with torch.no_grad():
        next(other.vae.decoder.parameters()).add_(1)
    with pytest.raises(InputError, match="vae_fingerprint"):
        draw_pictures(other, few, PAIR, drawn.first(1))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"steps": 0}, "num_inference_steps must be a whole number from 1"),
        ({"guidance": 0.5}, "guidance_scale must be a number from 1"),
        ({"guidance": float("nan")}, "guidance_scale must be a number from 1"),
    ],
)
def test_numbers_that_draw_nothing_are_refused(odd_pipeline, few, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        draw_pictures(odd_pipeline, few, **arguments)


def test_a_model_whose_values_are_no_numbers_is_a_sentence(few):
    broken = build_odd()
    with torch.no_grad():
        broken.transformer.proj_out.weight.fill_(float("nan"))
    with pytest.raises(InputError, match=rf"pictures of pair '{few.pairs[0].id}' hold values that are no numbers"):
        draw_pictures(broken, few, PAIR, steps=1, guidance=1)


def test_a_gpu_that_is_too_small_is_a_sentence(odd_pipeline, few, monkeypatch):
    def full(*arguments, **keywords):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(odd_pipeline.transformer, "forward", full)
    with pytest.raises(InputError, match="memory is too small for 2 pictures of 64 × 96 pixels at a time"):
        draw_pictures(odd_pipeline, few, PAIR, steps=1)
    assert odd_pipeline.vae.use_slicing is False


def test_more_pixels_than_are_held_are_refused_before_anything_runs(odd_pipeline, few, monkeypatch):
    monkeypatch.setattr(kept, "MAX_BYTES", 100_000)
    with pytest.raises(InputError, match="use fewer pairs or smaller pictures"):
        draw_pictures(odd_pipeline, few, PAIR)


def test_steps_and_guidance_are_the_models_own(posebox, odd_pipeline):
    assert drawing_defaults(posebox) == (DRAW_STEPS, DRAW_GUIDANCE)
    assert drawing_defaults(odd_pipeline) == (50, 4.0)
    distilled = SimpleNamespace(config={"is_distilled": True})
    assert drawing_defaults(distilled) == (4, 1.0)


def test_a_distilled_pipeline_takes_no_guidance(few):
    distilled = build_odd()
    distilled.register_to_config(is_distilled=True)
    first = replace(few, pairs=few.pairs[:1])
    assert draw_pictures(distilled, first, PAIR, steps=1).config.guidance_scale == 1
    with pytest.raises(InputError, match="A distilled model draws without guidance"):
        draw_pictures(distilled, first, PAIR, guidance=2.0)


# -- files -----------------------------------------------------------------------------------------


def test_small_pictures_are_kept_bit_for_bit_and_large_ones_nearly():
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (128, 96, 3), np.uint8)
    np.testing.assert_array_equal(webp.decode(webp.encode(noise), 128, 96), noise)
    rows, columns = np.mgrid[:160, :144]
    smooth = np.stack([rows, columns, rows // 2 + columns // 2], axis=2).astype(np.uint8)
    back = webp.decode(webp.encode(smooth), 160, 144)
    assert 0 < np.abs(back.astype(int) - smooth).mean() < 3
    assert len(webp.encode(smooth)) < smooth.size / 10


def test_what_is_read_is_what_was_drawn_also_where_files_lose(few, tmp_path):
    """Saved, loaded and saved again, lossy pictures stay as they are."""
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (3, 2, 144, 136, 3), np.uint8)
    config = DrawConfig(0, 2, 1.5, 144, 136)
    pictures = Pictures.from_pixels(pixels, few, config, {"model": "mine"})
    assert not np.array_equal(pictures.pixels, pixels)
    pictures.save(tmp_path)
    loaded = load_pictures(tmp_path)
    np.testing.assert_array_equal(loaded.pixels, pictures.pixels)
    loaded.save(tmp_path / "again")
    assert load_pictures(tmp_path / "again").files == pictures.files


def test_names_are_of_the_index_alone(saved, drawn):
    _, folder = saved
    names = ["00-a.webp", "00-b.webp", "01-a.webp", "01-b.webp", "02-a.webp", "02-b.webp"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "pictures.json"]
    described = json.loads((folder / "pictures.json").read_text())
    assert [entry["name"] for entry in described["files"]] == names
    assert described["complete"] is True
    assert described["prompts_sha256"] == prompts_digest(drawn.prompts)


@pytest.mark.parametrize("n_files", range(8))
def test_a_kill_between_files_leaves_the_earlier_state(saved, drawn, few, monkeypatch, n_files):
    """Also where other pictures are replaced: then none are left, never some of each."""
    run, folder = saved
    drawn.first(1).save(run)
    whole = drawn if n_files % 2 else Pictures(drawn.files[::-1], few, drawn.config, drawn.provenance)
    real, done = os.replace, []

    def killed(source, target):
        if len(done) == n_files:
            raise KeyboardInterrupt
        done.append(target)
        real(source, target)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        whole.save(run)
    if (folder / "pictures.json").exists():
        found = load_pictures(run, few)
        assert found.files in (drawn.files[:2], whole.files)
    else:
        assert whole is not drawn
    whole.save(run)
    assert load_pictures(run, few).files == whole.files
    assert len(list(folder.iterdir())) == 7


def test_fewer_pictures_take_the_place_of_more(saved, drawn):
    run, folder = saved
    (folder / ".00-a.webp.123.tmp").write_bytes(b"half")
    drawn.first(1).save(run)
    assert sorted(path.name for path in folder.iterdir()) == ["00-a.webp", "00-b.webp", "pictures.json"]


def rewritten(folder, **changes):
    """``pictures.json`` with some entries changed; a file's digest may be that of what lies there now."""
    path = folder / "pictures.json"
    described = json.loads(path.read_text())
    for entry in described["files"]:
        if (folder / entry["name"]).exists() and changes.get("digests"):
            entry["sha256"] = kept._sha256((folder / entry["name"]).read_bytes())
    path.write_text(json.dumps({**described, **{k: v for k, v in changes.items() if k != "digests"}}))


def picture_bytes(size=(64, 96), mode="RGB", form="WEBP", **options):
    file = io.BytesIO()
    Image.new(mode, size, 7 if mode == "L" else None).save(file, form, **options)
    return file.getvalue()


def bomb():
    """A few bytes that declare 16,384 × 16,384 pixels."""
    body = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little") + b"\0" * 5
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize(
    ("content", "sentence"),
    {
        "another size": (picture_bytes((96, 64), lossless=True), "has 96 × 64 pixels where 64 × 96 were expected"),
        "a bomb": (bomb(), "has 16384 × 16384 pixels where 64 × 96 were expected"),
        "animated": (
            picture_bytes(save_all=True, append_images=[Image.new("RGB", (64, 96), "red")]),
            "is no still WebP picture",
        ),
        "a PNG": (picture_bytes(form="PNG"), "is no still WebP picture"),
        "nothing": (b"", "is no still WebP picture"),
        "cut short": (webp.encode(np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8))[:200], "decoded"),
    }.values(),
)
def test_a_file_of_something_else_is_named(saved, content, sentence, monkeypatch):
    """Also where its digest was made to fit; one of another size is never opened by a decoder."""
    run, folder = saved
    (folder / "01-b.webp").write_bytes(content)
    with pytest.raises(InputError, match=r"01-b\.webp was altered: its SHA-256"):
        load_pictures(run)
    rewritten(folder, digests=True)
    if "pixels" in sentence:
        monkeypatch.setattr(Image, "open", None)
        (folder / "00-a.webp").write_bytes(content)
        (folder / "00-b.webp").write_bytes(content)
        (folder / "01-a.webp").write_bytes(content)
        rewritten(folder, digests=True)
    with pytest.raises(InputError, match=rf"\.webp .*{sentence}.*draw the pictures again"):
        load_pictures(run)


def test_a_transparent_picture_is_of_another_mode():
    transparent = Image.new("RGBA", (64, 96), (1, 2, 3, 4))
    file = io.BytesIO()
    transparent.save(file, "WEBP", lossless=True)
    with pytest.raises(ValueError, match=r"is of mode RGBA|no still WebP"):
        webp.decode(file.getvalue(), 96, 64)


def test_a_missing_or_a_huge_file_is_named(saved):
    run, folder = saved
    with (folder / "02-a.webp").open("r+b") as file:
        file.truncate(10**7)
    with pytest.raises(InputError, match=r"02-a\.webp is too large for a picture of 64 × 96 pixels"):
        load_pictures(run)
    (folder / "02-a.webp").unlink()
    with pytest.raises(InputError, match=r"02-a\.webp is missing, which pictures\.json names; restore it, or remove"):
        load_pictures(run)


def test_a_run_without_pictures_says_how_to_draw_them(tmp_path):
    with pytest.raises(InputError, match=r"holds no pictures .*draw them with `python -m plantain draw"):
        load_pictures(tmp_path)


def test_pictures_of_other_prompts_are_refused(saved, few):
    run, _ = saved
    pairs = tuple(replace(pair, tags={}) for pair in few.pairs)
    retagged = PromptSet("mine", pairs)
    assert load_pictures(run, retagged).prompts is retagged  # the same texts
    with pytest.raises(
        InputError, match=r"are of other prompts \('dense_pose', 3 pairs\) than 'dense_pose' \(25 pairs\)"
    ):
        load_pictures(run, load_prompts("dense_pose"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema_version": 2}, "no description of pictures of schema 1"),
        ({"config": {"seed": 0}}, "is damaged"),
        ({"config": {**asdict(DrawConfig(0, 2, 1.5, 96, 64)), "height": 10**6}}, "is damaged .*height must be"),
        ({"config": {**asdict(DrawConfig(0, 2, 1.5, 96, 64)), "width": None}}, "is damaged .*must be known"),
        ({"files": []}, "two for each pair"),
        ({"files": [{"name": "../../x.webp", "sha256": ""}] * 2, "pairs_done": 1}, "two for each pair"),
        ({"files": 3}, "is damaged"),
        ({"prompts_sha256": "0"}, "its prompts were altered"),
        ({"complete": False}, "number of pairs"),
        ({"provenance": []}, "provenance is no object"),
        ({"provenance": {"batch_size": 3}}, "batch_size of the provenance is 3"),
        ({"provenance": {"seconds": "long"}}, "seconds or resumed"),
        ({"prompts": {}}, "is damaged"),
    ],
)
def test_a_damaged_description_is_named(saved, changes, sentence):
    run, folder = saved
    rewritten(folder, **changes)
    with pytest.raises(InputError, match=rf"pictures\.json .*{sentence}"):
        load_pictures(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"schema_version": NaN}'])
def test_a_description_that_is_none_is_named(saved, text):
    run, folder = saved
    (folder / "pictures.json").write_text(text)
    with pytest.raises(InputError, match=r"pictures\.json .*restore it, or remove"):
        load_pictures(run)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.zeros((1, 2, 96, 64, 3)), "must be uint8"),
        (np.zeros((1, 2, 64, 96, 3), np.uint8), r"of the shape \(1, 2, 96, 64, 3\)"),
        (np.zeros((4, 2, 96, 64, 3), np.uint8), "at most 6 for these prompts; got 8"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(drawn, pixels, sentence):
    with pytest.raises(InputError, match=sentence):
        Pictures.from_pixels(pixels, drawn.prompts, drawn.config, {})


def test_a_disk_that_fills_is_a_sentence_and_what_was_saved_stays(odd_pipeline, few, tmp_path, monkeypatch):
    real, replaced = os.replace, []

    def until_full(source, target):
        if len(replaced) == 3:  # two pictures and their description
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replaced.append(target)
        real(source, target)

    monkeypatch.setattr(plantain.probe.saving, "SAVE_EVERY_SECONDS", -1)
    monkeypatch.setattr(os, "replace", until_full)
    steps = saved_steps(iter_pictures(odd_pipeline, few, PAIR, steps=1, guidance=1), None, tmp_path, "drawing")
    with pytest.raises(InputError, match=r"The drawing cannot be saved in .* 1 of its 2 pairs are safe there"):
        list(steps)
    monkeypatch.undo()
    assert load_pictures(tmp_path, few).n_pairs == 1


# -- the shipped pictures --------------------------------------------------------------------------


def test_the_shipped_pictures_are_of_the_shipped_run_and_show_what_they_should():
    run = plantain.load_result(RUNS / "posebox")
    pictures = load_pictures(RUNS / "posebox", run.prompts)
    assert (pictures.complete, pictures.pixels.shape) == (True, (25, 2, 128, 128, 3))
    assert sum(map(len, pictures.files)) <= 2 * 10**6
    assert pictures.config == DrawConfig(run.config.seed, DRAW_STEPS, DRAW_GUIDANCE, 128, 128)
    assert pictures.provenance["weights_fingerprint"] == run.provenance["weights_fingerprint"]
    for pair, both in list(zip(run.prompts.pairs, pictures.pixels, strict=True))[::8]:
        for text, picture, canonical in zip((pair.a, pair.b), both, (True, False), strict=True):
            verdict = judge(picture, text, read(text).scene)
            assert verdict.canonical is canonical, pair.id
            assert verdict.right["pose"], pair.id


# -- the shell -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def probed(tmp_path_factory, posebox):
    """A saved run of three pairs on Posebox, whose pictures are not drawn yet."""
    pairs = [(f"a {who} standing in a park", f"a {who} leaping in a park") for who in ("chef", "nurse", "boy")]
    run = tmp_path_factory.mktemp("probed")
    plantain.run_probe(posebox, PromptSet.from_pairs(pairs), PAIR).save(run)
    return run


@pytest.fixture
def run(probed, tmp_path):
    return plantain.load_result(probed).save(tmp_path / "run")


def test_draw_draws_a_saved_run_and_not_over_its_pictures(run_cli, run):
    status, printed, said = run_cli("draw", run, "--steps", 1, "--guidance", 1)
    assert (status, printed) == (0, "")
    assert f"Saved 6 pictures (1 steps, guidance 1; 0.1 MB) to {run / 'pictures'}." in said
    result = plantain.load_result(run)
    pictures = load_pictures(run, result.prompts)
    assert pictures.complete
    assert pictures.provenance["weights_fingerprint"] == result.provenance["weights_fingerprint"]
    status, _, said = run_cli("draw", run, "--steps", 1)
    assert status == cli.EXIT_BAD_INPUT
    assert "holds pictures already" in said
    status, _, said = run_cli("draw", run, "--resume", "--steps", 2)
    assert status == cli.EXIT_BAD_INPUT
    assert "num_inference_steps 1, these 2" in said
    assert run_cli("draw", run, "--resume")[0] == 0  # nothing is left to do
    assert load_pictures(run) == pictures
    assert plantain.load_result(run).n_pairs == 3


def interrupt_after(monkeypatch, n_pairs):
    real = plantain.probe.pictures.iter_pictures

    def interrupted(*arguments):
        for progress in real(*arguments):
            yield progress
            if progress.done == n_pairs:
                raise KeyboardInterrupt

    monkeypatch.setattr(plantain.probe.pictures, "iter_pictures", interrupted)


def test_an_interruption_says_what_is_saved_and_how_to_go_on(run_cli, run, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        status, _, said = run_cli("draw", run, "--steps", 1, "--guidance", 1)
    assert status == cli.EXIT_INTERRUPTED
    again = f"python -m plantain draw {run} --resume"
    assert f"the pictures of 2 of 3 pairs are saved in {run / 'pictures'}; go on with `{again}`" in said
    assert load_pictures(run).n_pairs == 2
    status, _, said = run_cli(*again.split()[3:])
    assert status == 0, said
    pictures = load_pictures(run)
    assert (pictures.complete, pictures.config.num_inference_steps) == (True, 1)
    assert pictures.provenance["resumed"][0]["from_pair"] == 2


def test_run_draws_after_probing_where_asked(run_cli, tmp_path, monkeypatch):
    monkeypatch.setattr("plantain.model.text.DRAW_STEPS", 1)
    rows = "".join(f"a {who} standing,a {who} sitting\n" for who in ("cat", "dog", "fox"))
    (tmp_path / "pairs.csv").write_text("a,b\n" + rows)
    out = tmp_path / "run"
    common = [
        "run",
        "--model",
        "posebox",
        "--prompts",
        tmp_path / "pairs.csv",
        "--out",
        out,
        "--batch-size",
        4,
        "--draw",
    ]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        status, printed, said = run_cli(*common)
    assert status == cli.EXIT_INTERRUPTED
    assert "Heads with |t| > 3" in printed
    assert "the pictures of 2 of 3 pairs are saved" in said
    assert plantain.load_result(out).complete
    status, _, said = run_cli(*common, "--resume")
    assert status == 0, said
    assert load_pictures(out, plantain.load_result(out).prompts).complete


def test_another_model_than_the_runs_is_refused(run_cli, run):
    status, _, said = run_cli("draw", run, "--model", "posebox-untrained")
    assert status == cli.EXIT_BAD_INPUT
    assert "posebox-untrained has other weights than the run in" in said
    assert "give --model the folder or OWNER/NAME@REVISION that was probed" in said
    assert not (run / "pictures").exists()


@pytest.mark.parametrize(
    "source", [("posebox", True, 3), ("posebox-random", False, 0), ("posebox-untrained", False, 0)]
)
def test_a_twin_is_drawn_by_the_weights_of_its_own_draw(run_cli, run, source, tmp_path):
    name, untrained, seed = source
    pipe = plantain.load_pipeline(name, device="cpu", untrained=untrained, weights_seed=seed)
    result = plantain.run_probe(pipe, plantain.load_result(run).prompts, PAIR)
    twin = result.save(tmp_path / "twin")
    status, _, said = run_cli("draw", twin, "--steps", 1, "--guidance", 1)
    assert status == 0, said
    assert load_pictures(twin).provenance["weights_fingerprint"] == result.provenance["weights_fingerprint"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--steps", "0"], "num_inference_steps must be a whole number from 1"),
        (["--guidance", "0"], "guidance_scale must be a number from 1"),
        (["--batch-size", "3"], "batch_size must be None or an even number"),
        (["--device", "abacus"], "Unknown device 'abacus'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(run_cli, run, options, sentence):
    status, _, said = run_cli("draw", run, *options)
    assert status == cli.EXIT_BAD_INPUT
    assert sentence in said
    assert not (run / "pictures").exists()


def test_a_folder_without_a_run_or_that_cannot_be_written_to_is_refused(run_cli, run, tmp_path, monkeypatch):
    status, _, said = run_cli("draw", tmp_path / "nothing")
    assert status == cli.EXIT_BAD_INPUT
    assert "holds no run" in said

    def read_only(*arguments, **keywords):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", read_only)
        status, _, said = run_cli("draw", run)
    assert status == cli.EXIT_BAD_INPUT
    assert "Read-only file system. Let it be written to, or copy the run to another folder." in said
    assert "Loading" not in said
    (run / "pictures").write_text("mine")
    status, _, said = run_cli("draw", run)
    assert status == cli.EXIT_BAD_INPUT
    assert "is a file, and the pictures go into a folder of that name" in said
