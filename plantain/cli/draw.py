"""``draw``: the pictures of a saved run, drawn once from the run's own noise."""

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plantain.cli.settings import load, made
from plantain.data.pictures import DESCRIPTION, FOLDER, DrawConfig, Pictures, load_pictures
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.names import PERMUTED, REINITIALISED
from plantain.wording import shell_line


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    parser = commands.add_parser("draw", help="draw every prompt of a saved run from the run's own noise")
    parser.set_defaults(command=_draw)
    add = parser.add_argument
    add("run", help="folder of a run; the pictures go into RUN/pictures")
    add("--model", help="where the run's model lies now: a name, or a folder (default: as the run has it)")
    add("--steps", type=int, help="denoising steps (default: the model's own)")
    add("--guidance", type=float, help="guidance scale (default: the model's own)")
    add("--batch-size", type=int, help="pictures at a time, even (default: as the probe chooses)")
    add("--device", help="cpu, cuda, … (default: a GPU where there is one)")
    add("--resume", action="store_true", help="go on with pictures that were interrupted")


def _draw(options: argparse.Namespace) -> int:
    """Everything that can be refused is refused before a model is loaded."""
    result, run = load_result(options.run), Path(options.run)
    size = {key: result.provenance.get(key) or getattr(result.config, key) for key in ("height", "width")}
    config = replace(result.config, **size, batch_size=options.batch_size or result.config.batch_size)
    steps, guidance = options.steps, options.guidance
    # Numbers that no model draws with are refused now; those left open, and the size, are the model's to say.
    DrawConfig(config.seed, 1 if steps is None else steps, 1.0 if guidance is None else guidance, 8, 8)
    resume = drawn_before(run, result.prompts, options.resume)
    with made(run / FOLDER, "Let it be written to, or copy the run to another folder."):
        pipe = _loaded(options, result)
        draw_run(pipe, result.prompts, config, run, resume, steps, guidance)
    return 0


def drawn_before(run: Path, prompts: PromptSet, wanted: bool) -> Pictures | None:
    """The pictures to go on with, or None to start; refused where that would write over some."""
    if (run / FOLDER).exists() and not (run / FOLDER).is_dir():
        raise InputError(f"{run / FOLDER} is a file, and the pictures go into a folder of that name; remove the file.")
    if not (run / FOLDER / DESCRIPTION).exists():
        return None
    if not wanted:
        raise InputError(
            f"{run} holds pictures already; go on with --resume where they are partial, or remove {run / FOLDER} "
            "to draw anew."
        )
    return load_pictures(run, prompts)


def draw_run(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig,
    run: Path,
    resume: Pictures | None,
    steps: int | None = None,
    guidance: float | None = None,
) -> None:
    """Draw with a progress bar into a run's folder, saving on the way; an interruption says what is saved."""
    from plantain.probe.pictures import iter_pictures  # torch
    from plantain.probe.saving import saved_steps

    pictures, again = resume, shell_line("draw", run, "--resume")
    drawing = iter_pictures(pipe, prompts, config, resume, steps, guidance)
    saved = contextlib.closing(saved_steps(drawing, resume, run, "drawing"))
    try:
        n_before = resume.n_pairs if resume else 0
        with tqdm(total=len(prompts), initial=n_before, unit="pair", desc="pictures") as bar, saved as running:
            for progress in running:
                pictures = progress.result
                bar.update(progress.done - bar.n)
    except KeyboardInterrupt:
        n = pictures.n_pairs if pictures else 0
        kept = f"the pictures of {n} of {len(prompts)} pairs are saved in {run / FOLDER}; go on with `{again}`"
        raise KeyboardInterrupt(kept if n else f"no picture was drawn yet; draw with `{again}`") from None
    assert pictures is not None  # a prompt set holds at least one pair
    size = sum(map(len, pictures.files)) / 1e6
    how = f"{pictures.config.num_inference_steps} steps, guidance {pictures.config.guidance_scale:g}"
    print(f"Saved {len(pictures.files)} pictures ({how}; {size:.1f} MB) to {run / FOLDER}.", file=sys.stderr)


def _loaded(options: argparse.Namespace, result: ProbeResult) -> Any:
    """The model that the run was made with, or a sentence that this is another."""
    known, name = result.provenance, result.model
    # A twin is its model with weights drawn anew; early runs of embedded twins tell no seed, and have their name alone.
    untrained: bool | str = "weights_seed" in known and name != "posebox-random"
    if untrained and known.get("weights") == PERMUTED:
        untrained, name = PERMUTED, name.removesuffix(f"-{PERMUTED}")
    elif untrained:
        name = name.removesuffix("-untrained")
    if known.get("revision"):
        name = f"{name}@{known['revision']}"
    if options.model:
        name, untrained = options.model, untrained and not REINITIALISED.get(options.model)
    as_run = argparse.Namespace(device=options.device, dtype=known.get("dtype"))
    pipe = load(as_run, name, untrained, known["weights_seed"] if untrained else 0)
    from plantain.model.identity import weights_fingerprint  # torch

    found, wanted = weights_fingerprint(pipe), str(known.get("weights_fingerprint"))
    if found != wanted:
        raise InputError(
            f"{name} has other weights than the run in {options.run} (fingerprint {found[:12]}, expected "
            f"{wanted[:12]}); give --model the folder or OWNER/NAME@REVISION that was probed."
        )
    return pipe
