"""Train Posebox: its autoencoder, its decoder some more, then its text encoder and transformer together."""

import copy
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plantain.errors import InputError
from plantain.model.load import check_device, load_pipeline
from plantain.model.names import TRAINING
from plantain.model.text import call_arguments
from plantain.posebox import tokenizer
from plantain.posebox.build import POSEBOX, build
from plantain.posebox.training import Training, autoencoder, flow
from plantain.posebox.training.precision import halved, mixed
from plantain.wording import finite

_SETTINGS = "settings.json"  # beside the checkpoints, while there are any


def train(
    out: str | Path,
    settings: Training | None = None,
    device: str | None = None,
    resume: bool = False,
    report: Callable[[str], None] = print,
    checkpoint_every: int = 100,
) -> Any:
    """Train a pipeline and save it in ``out``, ready for ``Flux2KleinPipeline.from_pretrained``.

    >>> train("my-posebox", Training(autoencoder_steps=100, decoder_steps=100, steps=200))

    Beside the weights, ``training.json`` holds the settings, the library versions and the loss curve, means over 20
    steps. ``out/checkpoints`` is kept up to date while training runs and removed at its end; ``resume`` goes on from
    there, and sees what an uninterrupted training would have seen.

    Raises
    ------
    InputError
        ``out`` holds another run and ``resume`` is not set, or its settings differ.
    """
    settings, out = settings or Training(), Path(out)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    if not hasattr(torch.optim, "Muon"):
        raise InputError(
            f"Training needs torch 2.9 or newer, for its optimizer Muon; this is torch {torch.__version__}."
        )
    checkpoints = _prepare(out, settings, resume)
    pipe = build(POSEBOX, settings.seed).to(device)
    if settings.parts_of:
        given = load_pipeline(settings.parts_of, device=device)
        pipe.vae, pipe.text_encoder = given.vae, given.text_encoder.requires_grad_(False)
    for component in ("vae", "text_encoder", "transformer"):
        getattr(pipe, component).float()
    curve = _train_parts(pipe, settings, _Loop(settings, device, checkpoints, checkpoint_every, report))
    save(pipe, out)
    record = {
        "settings": asdict(settings),
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "numpy", "pillow")},
        "device": device,
        "precision": "bfloat16" if halved(device) else "float32",
        "loss": {
            name: [round(float(np.mean(losses[at : at + 20])), 5) for at in range(0, len(losses), 20)]
            for name, losses in curve.items()
        },
    }
    (out / TRAINING).write_text(json.dumps(finite(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for file in sorted(checkpoints.glob("*"), key=lambda file: file.name == _SETTINGS):  # the settings last
        file.unlink()
    checkpoints.rmdir()
    return pipe


def save(pipe: Any, out: str | Path) -> None:
    """Save a pipeline small: transformer and autoencoder in half precision, the text encoder in float32.

    diffusers casts half precision up on loading; transformers keeps a saved dtype, and a text encoder in
    half precision beside a transformer in float32 fails.
    """
    small = copy.deepcopy(pipe).to("cpu")
    small.transformer.half()
    small.vae.half()
    small.text_encoder.float()
    small.save_pretrained(str(out))
    # Saved again, a loaded tokenizer would also tell from where it was loaded.
    if (Path(out) / "tokenizer").resolve() != tokenizer.FOLDER:
        shutil.copytree(tokenizer.FOLDER, Path(out) / "tokenizer", dirs_exist_ok=True)


@dataclass(frozen=True)
class _Loop:
    """What the stages of a training share."""

    settings: Training
    device: str
    folder: Path  # of the checkpoints
    every: int  # steps between two checkpoints
    report: Callable[[str], None]

    def run(
        self,
        name: str,
        modules: dict[str, Any],
        loss_of: Callable[[np.random.Generator], torch.Tensor],
        n_steps: int,
        rate: float,
    ) -> list[float]:
        """Train modules in place, with warm-up and cosine. Returns the loss of every step."""
        from plantain.posebox.training.muon import optimizers as two_optimizers  # an older torch has no Muon

        named = [item for module in modules.values() for item in module.named_parameters()]
        parameters = [value for _, value in named]
        optimizers = two_optimizers(named, rate, self.settings.muon_rate)
        losses = self._load(name, modules, optimizers)
        progress = _Progress(name, self.report, len(losses))
        for module in modules.values():
            module.train()
        for step in range(len(losses), n_steps):
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * _schedule(step, n_steps)
            # Batches depend on the seed and the step alone, so a resumed run sees the same.
            rng = np.random.default_rng((self.settings.seed, len(name), step))
            with mixed(self.device):
                loss = loss_of(rng)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise InputError(f"The loss of {name} is {losses[-1]} at step {step + 1}; train with a smaller rate.")
            if (step + 1) % self.every == 0 or step + 1 == n_steps:
                self._save(name, modules, optimizers, losses)
            progress(step + 1, n_steps, f"loss {np.mean(losses[-50:]):.4f}")
        for module in modules.values():
            module.eval()
        return losses

    def _load(self, name: str, modules: dict[str, Any], optimizers: list[Any]) -> list[float]:
        """Go back to the last checkpoint, if there is one: the losses until there."""
        file = self.folder / f"{name}.pt"
        if not file.exists():
            return []
        try:
            state = torch.load(file, map_location=self.device, weights_only=True)
            for key, module in modules.items():
                module.load_state_dict(state["modules"][key])
            for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
            return list(state["losses"])
        except Exception as error:  # cut short, of other sizes, or no checkpoint: no common type
            raise InputError(f"{file} is no checkpoint of this training; delete it to do its stage again.") from error

    def _save(self, name: str, modules: dict[str, Any], optimizers: list[Any], losses: list[float]) -> None:
        state = {
            "modules": {key: module.state_dict() for key, module in modules.items()},
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "losses": losses,
        }
        file = self.folder / f"{name}.pt"
        torch.save(state, file.with_suffix(".tmp"))
        os.replace(file.with_suffix(".tmp"), file)


def _train_parts(pipe: Any, settings: Training, loop: _Loop) -> dict[str, list[float]]:
    """Train a pipeline's parts one after the other, in place: the losses of each stage."""
    curve = {} if settings.parts_of else _train_vae(pipe.vae, settings, loop)
    progress = _Progress("encoding pictures", loop.report)
    rng = np.random.default_rng((settings.seed, 2))
    kept = loop.folder / "pictures.pt"
    data = flow.encode_pictures(pipe.vae, rng, settings.pictures, progress, not settings.parts_of, kept)
    pipe.vae.to(loop.device)
    network = {"transformer": pipe.transformer}
    if not settings.parts_of:
        network = {"text_encoder": pipe.text_encoder, **network}
    arguments = call_arguments(pipe)

    def on_prompts(rng: np.random.Generator) -> torch.Tensor:
        return flow.flow_loss(pipe, arguments, data, rng, settings.batch, settings.figure_weight)

    curve["flow"] = loop.run("flow", network, on_prompts, settings.steps, settings.rate)
    return curve


def _train_vae(vae: Any, settings: Training, loop: _Loop) -> dict[str, list[float]]:
    def on_pictures(loss: Callable[..., torch.Tensor], rng: np.random.Generator) -> torch.Tensor:
        _, *arrays = autoencoder.random_pictures(rng, settings.autoencoder_batch)
        pictures, figures = (torch.from_numpy(array).to(loop.device) for array in arrays)
        torch.manual_seed(int(rng.integers(2**62)))
        return loss(vae, pictures, figures)

    whole, decoder = {"vae": vae}, {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
    loss = partial(on_pictures, autoencoder.autoencoder_loss)
    curve = {"autoencoder": loop.run("autoencoder", whole, loss, settings.autoencoder_steps, settings.autoencoder_rate)}
    loss = partial(on_pictures, autoencoder.decoder_loss)
    curve["decoder"] = loop.run("decoder", decoder, loss, settings.decoder_steps, settings.decoder_rate)
    return curve


def _schedule(step: int, n_steps: int) -> float:
    warm = min(100, max(1, n_steps // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))


def _prepare(out: Path, settings: Training, resume: bool) -> Path:
    """The folder of the checkpoints, new or with what is to be resumed; refuse what would overwrite or mix runs."""
    checkpoints = out / "checkpoints"
    file = checkpoints / _SETTINGS
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the trained pipeline.")
    if not resume and checkpoints.exists() and any(checkpoints.iterdir()):
        raise InputError(f"{out} holds an unfinished training; add --resume to go on with it, or name another folder.")
    if not resume and (out / "transformer").exists():
        raise InputError(f"{out} holds a trained pipeline already; choose another folder, or delete it first.")
    if resume:
        if not file.exists():
            raise InputError(f"{out} holds no unfinished training to go on with; leave --resume out to start one.")
        try:
            before = dict(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InputError(f"{file} is damaged; delete {checkpoints} and start again.") from error
        differing = sorted(key for key, value in asdict(settings).items() if before.get(key) != value)
        if differing:
            told = ", ".join(f"{key} {before.get(key)} then, {asdict(settings)[key]} now" for key in differing)
            raise InputError(f"The training in {out} was started with other settings ({told}); use those to go on.")
    checkpoints.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(settings), allow_nan=False), encoding="utf-8")
    return checkpoints


class _Progress:
    """A line every ten seconds: what, how far, how long still."""

    def __init__(self, name: str, report: Callable[[str], None], first: int = 0) -> None:
        self.name, self.report, self.first = name, report, first
        self.started = self.told = time.monotonic()

    def __call__(self, done: int, total: int, more: str = "") -> None:
        now = time.monotonic()
        if now - self.told < 10 and done < total:
            return
        self.told = now
        left = (now - self.started) / max(1, done - self.first) * (total - done)
        self.report(f"{self.name}: {done:,} of {total:,}, {left / 60:.1f} min left" + (f", {more}" if more else ""))
