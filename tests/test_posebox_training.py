"""Training Posebox: it learns, it can be stopped and resumed, and the folder it writes is an ordinary pipeline."""

import contextlib
import io
import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from plantain.data.prompts import load_prompts
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.identity import weights_fingerprint
from plantain.model.load import load_pipeline
from plantain.model.text import call_arguments
from plantain.posebox import tokenizer
from plantain.posebox.__main__ import main
from plantain.posebox.build import Sizes, build
from plantain.posebox.training import autoencoder, flow
from plantain.posebox.training import train as training
from plantain.posebox.training.corpus import random_scene
from plantain.posebox.training.train import Training, train
from plantain.posebox.words.vocabulary import place
from plantain.probe.probe import run_probe

TINY = Training(autoencoder_steps=3, autoencoder_batch=1, decoder_steps=3, pictures=4, steps=4, batch=8)
# Of Posebox's picture size and depth of text, and as thin as can be.
SMALL = Sizes(
    joint_blocks=1,
    single_blocks=2,
    heads=2,
    head_width=16,
    rope=(4, 4, 4, 4),
    text_width=32,
    text_mlp_width=32,
    text_heads=2,
    latent_channels=4,
    vae_channels=(4, 4, 4, 4),
    norm_groups=2,
)
PARTS = ("transformer", "text_encoder", "vae")


@pytest.fixture(scope="module", autouse=True)
def small():
    """Every training of this file is of a small pipeline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "POSEBOX", SMALL)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small):
    """Trained through the shell, without a stop: its folder, and what was printed."""
    folder = tmp_path_factory.mktemp("trained") / "posebox"
    chosen = {name: value for name, value in vars(TINY).items() if value != getattr(Training(), name)}
    options = [text for name, value in chosen.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["train", "--out", str(folder), *options, "--device", "cpu"]) == 0
    return folder, said.getvalue()


@pytest.fixture(scope="module")
def resumed(tmp_path_factory, small):
    """Stopped in the last step of every stage, after a checkpoint at its second, and resumed each time.

    The folder, the pipeline, and how often each loss was called.
    """
    out = tmp_path_factory.mktemp("resumed") / "posebox"
    calls = Counter()

    def stopping(owner, name, step):
        whole = getattr(owner, name)

        def loss(*arguments):
            calls[name] += 1
            if calls[name] == step:
                raise KeyboardInterrupt
            return whole(*arguments)

        patch.setattr(owner, name, loss)

    def go_on(resume=True):
        return train(out, TINY, device="cpu", resume=resume, report=lambda line: None, checkpoint_every=2)

    with pytest.MonkeyPatch.context() as patch:
        stopping(autoencoder, "autoencoder_loss", 3)
        stopping(autoencoder, "decoder_loss", 3)
        stopping(flow, "flow_loss", 4)
        encode = flow._encoded
        patch.setattr(flow, "_encoded", lambda *arguments: (calls.update(["encoded"]), encode(*arguments))[1])
        for resume in (False, True, True):
            with pytest.raises(KeyboardInterrupt):
                go_on(resume)
        return out, go_on(), calls


@pytest.mark.muon
def test_a_trained_folder_is_an_ordinary_pipeline(resumed):
    from diffusers import Flux2KleinPipeline

    folder, pipe, _ = resumed
    loaded = Flux2KleinPipeline.from_pretrained(folder, local_files_only=True)
    assert {p.dtype for p in loaded.transformer.parameters()} == {torch.float32}
    for part in PARTS:
        theirs = getattr(loaded, part).state_dict()
        for name, value in getattr(pipe, part).state_dict().items():
            # transformer and autoencoder are stored in half precision
            torch.testing.assert_close(theirs[name].to(value.dtype), value, rtol=1e-3, atol=1e-5)
    loaded.set_progress_bar_config(disable=True)
    picture = loaded(
        prompt="A robot kneeling", num_inference_steps=2, guidance_scale=1.5, **call_arguments(loaded)
    ).images[0]
    assert picture.size == (128, 128)


@pytest.mark.muon
def test_training_leaves_its_record_and_no_checkpoints(trained):
    folder, said = trained
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"] == vars(TINY)
    assert all(np.isfinite(record["loss"][stage]).all() for stage in ("autoencoder", "decoder", "flow"))
    assert not (folder / "checkpoints").exists()
    assert "flow: 4 of 4" in said
    assert f"Saved in {folder}. What it draws: python -m plantain.posebox prove {folder}" in said


@pytest.mark.muon
def test_a_stopped_training_goes_on_as_if_it_had_not_been(trained, resumed):
    folder, (out, _, calls) = trained[0], resumed
    # From the checkpoint, not from the start: what came after the second step is done again.
    assert calls == {"autoencoder_loss": 3 + 1, "decoder_loss": 3 + 1, "flow_loss": 4 + 2, "encoded": 1}
    assert (out / "training.json").read_text() == (folder / "training.json").read_text()
    for part in PARTS:
        (file,) = (folder / part).glob("*.safetensors")
        assert file.read_bytes() == (out / part / file.name).read_bytes(), part


@pytest.mark.muon
def test_a_folder_in_use_is_not_overwritten(trained, tmp_path):
    with pytest.raises(InputError, match="holds a trained pipeline already"):
        train(trained[0], TINY)
    with pytest.raises(InputError, match="no unfinished training"):
        train(tmp_path / "new", TINY, resume=True)
    checkpoints = tmp_path / "half" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "settings.json").write_text(json.dumps({**vars(TINY), "steps": 9}))
    with pytest.raises(InputError, match="unfinished training; add --resume"):
        train(tmp_path / "half", TINY)
    with pytest.raises(InputError, match=r"other settings \(steps 9 then, 4 now\)"):
        train(tmp_path / "half", TINY, resume=True)
    (checkpoints / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings\.json is damaged"):
        train(tmp_path / "half", TINY, resume=True)
    (checkpoints / "settings.json").rename(checkpoints / "flow.pt")
    with pytest.raises(InputError, match="unfinished training; add --resume"):
        train(tmp_path / "half", TINY)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        train(tmp_path / "file", TINY)
    with pytest.raises(InputError, match="Unknown device 'nonsense'"):
        train(tmp_path / "other", TINY, device="nonsense")
    assert not (tmp_path / "other").exists()


@pytest.mark.muon
def test_posebox_itself_can_be_saved_where_it_lies(resumed, tmp_path, monkeypatch):
    """Its folder holds the tokenizer that every training starts from."""
    shutil.copytree(tokenizer.FOLDER, tmp_path / "tokenizer")
    monkeypatch.setattr(tokenizer, "FOLDER", tmp_path / "tokenizer")
    training.save(resumed[1], tmp_path)
    assert load_pipeline(str(tmp_path), device="cpu").tokenizer.model_max_length == 96


@pytest.mark.parametrize("options", [["--steps", "0"], ["--rate", "-1"], ["--seed", "-1"]])
def test_impossible_settings_are_refused_with_their_name(options, tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "x"), *options]) == 2
    assert options[0].strip("-") in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_losses_fall():
    """A few steps on one small batch: too few to draw, enough to see that gradients point downhill."""
    pipe = build(SMALL)
    _, pictures, figures = autoencoder.random_pictures(np.random.default_rng(0), 2)
    pixels, where = torch.from_numpy(pictures), torch.from_numpy(figures)
    optimizer = torch.optim.Adam(pipe.vae.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = autoencoder.autoencoder_loss(pipe.vae, pixels, where)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    data = flow.encode_pictures(pipe.vae, np.random.default_rng(0), 4)
    parameters = [*pipe.transformer.parameters(), *pipe.text_encoder.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-3)
    losses = []
    for _ in range(20):
        loss = flow.flow_loss(pipe, call_arguments(pipe), data, np.random.default_rng(1), 4)
        optimizer.zero_grad()
        loss.backward()
        assert pipe.text_encoder.model.embed_tokens.weight.grad.abs().sum() > 0
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.muon
def test_muon_steps_convolutions_and_matrices_in_place():
    from plantain.posebox.training.muon import optimizers

    torch.manual_seed(0)
    network = torch.nn.ModuleDict(
        {"conv": torch.nn.Conv2d(3, 4, 3), "block": torch.nn.Linear(5, 6), "embedder": torch.nn.Linear(5, 6)}
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    adam, muon = optimizers(network.named_parameters(), rate=1e-3, muon_rate=2e-3)
    assert sum(p.numel() for group in muon.param_groups for p in group["params"]) == 3 * 4 * 9 + 5 * 6
    for p in network.parameters():
        p.grad = torch.randn_like(p)
    gradient = network["conv"].weight.grad.flatten(1).clone()
    adam.step()
    muon.step()
    for name, value in network.state_dict().items():
        assert not torch.equal(value, before[name]), name
    # An orthogonal update: all its singular values are alike, and it points against the gradient.
    update = (network["conv"].weight.detach() - before["conv.weight"]).flatten(1)
    values = torch.linalg.svdvals(update)
    assert values.min() > 0.4 * values.max()
    assert (update * gradient).sum() < 0
    muon.zero_grad()
    assert network["conv"].weight.grad is None


def test_a_decoder_learns_alone():
    pipe = build(SMALL)
    _, pictures, figures = autoencoder.random_pictures(np.random.default_rng(0), 2)
    loss = autoencoder.decoder_loss(pipe.vae, torch.from_numpy(pictures), torch.from_numpy(figures))
    loss.backward()
    assert all(parameter.grad is None for parameter in pipe.vae.encoder.parameters())
    assert all(parameter.grad is not None for parameter in pipe.vae.decoder.parameters())


def test_latents_have_unit_variance_where_the_pipeline_reads_them():
    pipe = build(SMALL)
    data = flow.encode_pictures(pipe.vae, np.random.default_rng(0), 66)  # more than are encoded at once
    values = data.latents.float().transpose(0, 1).flatten(1)
    n_channels = pipe.transformer.config.in_channels
    torch.testing.assert_close(values.mean(1), torch.zeros(n_channels), atol=2e-2, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(n_channels), atol=2e-2, rtol=0)
    assert len(data.scenes) == 66


def test_the_velocity_is_the_pipelines_own(posebox):
    """One Euler step of the pipeline from pure noise moves by the velocity that training predicts."""
    arguments = call_arguments(posebox)
    noise = torch.randn((1, posebox.transformer.config.in_channels, 8, 8), generator=torch.Generator().manual_seed(0))
    prompt = "A robot kneeling"
    with torch.no_grad():
        velocity = flow.predict(posebox, arguments, [prompt], noise, torch.ones(1))
        clean = posebox(
            prompt=prompt, latents=noise, num_inference_steps=1, guidance_scale=1.0, output_type="latent", **arguments
        ).images
    expected = autoencoder.scale(posebox.vae, autoencoder.patchify(clean))
    torch.testing.assert_close(noise - velocity, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.muon
def test_resuming_needs_no_pickle(tmp_path):
    """A checkpoint is read with weights_only: one that holds code is refused."""
    out = tmp_path / "posebox"
    checkpoints = out / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "settings.json").write_text(json.dumps(vars(TINY)))
    torch.save({"modules": random_scene}, checkpoints / "autoencoder.pt")
    with pytest.raises(InputError, match="is no checkpoint of this training") as refused:
        train(out, TINY, device="cpu", resume=True, report=lambda line: None)
    assert "Weights only load failed" in str(refused.value.__cause__)


def test_training_pictures_are_of_no_held_out_pairing(monkeypatch):
    """By another rule than the corpus's own: the subjects and settings that the prompt file puts together."""
    monkeypatch.setattr(autoencoder, "pictures_of", lambda scenes: (scenes, scenes))  # which, not what they look like
    scenes, _, _ = autoencoder.random_pictures(np.random.default_rng(0), 400)
    own = {(pair.tags["subject"], pair.tags["setting"]) for pair in load_prompts("dense_pose").pairs}
    shown = {(scene.subject, place(scene.setting)) for scene in scenes}
    assert len(own) == 25
    assert not own & shown
    assert {subject for subject, _ in own} <= {subject for subject, _ in shown}


@pytest.mark.muon
def test_what_the_shell_trained_can_be_probed(trained, small_prompts):
    pipe = load_pipeline(str(trained[0]), device="cpu")
    assert weights_fingerprint(pipe) != weights_fingerprint(build(SMALL, TINY.seed))
    assert np.isfinite(run_probe(pipe, small_prompts, ProbeConfig(height=32, width=32)).mean_square).all()


def test_an_older_torch_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(InputError, match=r"Training needs torch 2\.9 or newer, for its optimizer Muon; this is torch"):
        train(tmp_path / "posebox", Training(autoencoder_steps=1, steps=1))
    assert not (tmp_path / "posebox").exists()
