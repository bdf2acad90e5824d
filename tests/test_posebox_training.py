"""Training Posebox: it learns, it can be stopped and resumed, and the folder it writes is an ordinary pipeline."""

import json

import numpy as np
import pytest
import torch

from plantain.data.prompts import load_prompts
from plantain.errors import InputError
from plantain.model.identity import weights_fingerprint
from plantain.model.load import load_pipeline
from plantain.model.text import call_arguments
from plantain.posebox.__main__ import main
from plantain.posebox.build import build
from plantain.posebox.training import autoencoder, flow
from plantain.posebox.training.corpus import random_scene
from plantain.posebox.training.train import Training, train
from plantain.posebox.words.vocabulary import place

TINY = Training(autoencoder_steps=3, autoencoder_batch=2, decoder_steps=3, pictures=8, steps=4, batch=4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "posebox"
    said = []
    pipe = train(folder, TINY, device="cpu", report=said.append)
    return folder, pipe, said


def test_a_trained_folder_is_an_ordinary_pipeline(trained):
    from diffusers import Flux2KleinPipeline

    folder, pipe, _ = trained
    loaded = Flux2KleinPipeline.from_pretrained(folder, local_files_only=True)
    assert {p.dtype for p in loaded.transformer.parameters()} == {torch.float32}
    for part in ("transformer", "text_encoder", "vae"):
        theirs = getattr(loaded, part).state_dict()
        for name, value in getattr(pipe, part).state_dict().items():
            # transformer and autoencoder are stored in half precision
            torch.testing.assert_close(theirs[name].to(value.dtype), value, rtol=1e-3, atol=1e-5)
    loaded.set_progress_bar_config(disable=True)
    picture = loaded(
        prompt="A robot kneeling", num_inference_steps=2, guidance_scale=1.5, **call_arguments(loaded)
    ).images[0]
    assert picture.size == (128, 128)


def test_training_leaves_its_record_and_no_checkpoints(trained):
    folder, _, said = trained
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"] == vars(TINY)
    assert all(np.isfinite(record["loss"][stage]).all() for stage in ("autoencoder", "decoder", "flow"))
    assert not (folder / "checkpoints").exists()
    assert any(line.startswith("flow: 4 of 4") for line in said)


@pytest.mark.parametrize(
    ("owner", "loss", "step"),
    [(autoencoder, "autoencoder_loss", 3), (autoencoder, "decoder_loss", 3), (flow, "flow_loss", 4)],
)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(owner, loss, step, trained, tmp_path, monkeypatch):
    """Stopped in the last step of a stage, after a checkpoint at its second."""
    folder, pipe, _ = trained
    whole, calls = getattr(owner, loss), []

    def stop_once(*arguments):
        calls.append(1)
        if len(calls) == step:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(owner, loss, stop_once)
    out = tmp_path / "posebox"
    with pytest.raises(KeyboardInterrupt):
        train(out, TINY, device="cpu", report=lambda line: None, checkpoint_every=2)
    again = train(out, TINY, device="cpu", resume=True, report=lambda line: None, checkpoint_every=2)
    assert len(calls) == step + (step - 2)  # from the checkpoint, not from the start
    for part in ("transformer", "text_encoder", "vae"):
        theirs = getattr(again, part).state_dict()
        for name, value in getattr(pipe, part).state_dict().items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-5, msg=f"{loss} {part}.{name}")
    first, second = (json.loads((at / "training.json").read_text())["loss"] for at in (folder, out))
    assert second["flow"] == pytest.approx(first["flow"], rel=1e-3)


def test_a_folder_in_use_is_not_overwritten(trained, tmp_path):
    folder, _, _ = trained
    with pytest.raises(InputError, match="holds a trained pipeline already"):
        train(folder, TINY)
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


def test_posebox_itself_can_be_saved_where_it_lies(trained, tmp_path, monkeypatch):
    """Its folder holds the tokenizer that every training starts from."""
    import shutil

    from plantain.posebox import tokenizer
    from plantain.posebox.training import train as training

    shutil.copytree(tokenizer.FOLDER, tmp_path / "tokenizer")
    monkeypatch.setattr(tokenizer, "FOLDER", tmp_path / "tokenizer")
    training.save(trained[1], tmp_path)
    assert load_pipeline(str(tmp_path), device="cpu").tokenizer.model_max_length == 96


@pytest.mark.parametrize("options", [["--steps", "0"], ["--rate", "-1"], ["--seed", "-1"]])
def test_impossible_settings_are_refused_with_their_name(options, tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "x"), *options]) == 2
    assert options[0].strip("-") in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_losses_fall():
    """A few steps on one small batch: too few to draw, enough to see that gradients point downhill."""
    pipe = build()
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
    pipe = build()
    _, pictures, figures = autoencoder.random_pictures(np.random.default_rng(0), 2)
    loss = autoencoder.decoder_loss(pipe.vae, torch.from_numpy(pictures), torch.from_numpy(figures))
    loss.backward()
    assert all(parameter.grad is None for parameter in pipe.vae.encoder.parameters())
    assert all(parameter.grad is not None for parameter in pipe.vae.decoder.parameters())


def test_latents_have_unit_variance_where_the_pipeline_reads_them():
    pipe = build()
    data = flow.encode_pictures(pipe.vae, np.random.default_rng(0), 64)
    values = data.latents.float().transpose(0, 1).flatten(1)
    n_channels = pipe.transformer.config.in_channels
    torch.testing.assert_close(values.mean(1), torch.zeros(n_channels), atol=2e-2, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(n_channels), atol=2e-2, rtol=0)
    assert len(data.scenes) == 64


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


def test_training_pictures_are_of_no_held_out_pairing():
    """By another rule than the corpus's own: the subjects and settings that the prompt file puts together."""
    scenes, _, _ = autoencoder.random_pictures(np.random.default_rng(0), 400)
    own = {(pair.tags["subject"], pair.tags["setting"]) for pair in load_prompts("dense_pose").pairs}
    shown = {(scene.subject, place(scene.setting)) for scene in scenes}
    assert len(own) == 25
    assert not own & shown
    assert {subject for subject, _ in own} <= {subject for subject, _ in shown}


def test_the_shell_trains_and_what_it_saved_can_be_probed(tmp_path, small_prompts):
    from plantain.data.settings import ProbeConfig
    from plantain.probe.probe import run_probe

    out = str(tmp_path / "posebox")
    few = {"autoencoder-steps": 1, "autoencoder-batch": 1, "decoder-steps": 1, "pictures": 2, "steps": 1, "batch": 2}
    options = [text for name, value in few.items() for text in (f"--{name}", str(value))]
    assert main(["train", "--out", out, *options, "--device", "cpu"]) == 0
    pipe = load_pipeline(out, device="cpu")
    assert weights_fingerprint(pipe) != weights_fingerprint(load_pipeline("posebox", device="cpu"))
    assert np.isfinite(run_probe(pipe, small_prompts, ProbeConfig(height=32, width=32)).mean_square).all()
