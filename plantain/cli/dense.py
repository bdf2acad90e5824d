"""``dense``: read every head token by token, beside the probe's own values, and save both."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from plantain.cli.draw import draw_run
from plantain.cli.run import checked_model, default_out
from plantain.cli.settings import add_settings, add_weights, config_of, load, made, prompts_of, writing
from plantain.data.bodies import bodies_from_points
from plantain.data.dense import DenseResult, check_config, load_dense
from plantain.data.disk import DENSE, PROBE, is_free
from plantain.data.figures import figures_from_pictures
from plantain.data.pictures import DESCRIPTION, FOLDER, Pictures, load_pictures
from plantain.data.prompts import PromptSet, check_enough
from plantain.data.result import load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.probe.ranks import Ranks, check_free, part_folder
from plantain.wording import shell_line


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    parser = commands.add_parser("dense", help="read every head token by token: place, code and deformation")
    parser.set_defaults(command=_dense)
    add = parser.add_argument
    add("--model", help="as for run")
    add("--prompts", default="dense_pose", help="as for run (default: dense_pose)")
    add("--out", help="folder for the run (default: runs/dense/PROMPTS-MODEL)")
    add("--resume", action="store_true", help="go on with the interrupted run in --out")
    add_settings(parser)
    add_weights(parser)
    add("--grafted", action="store_true", help="draw each block anew in turn inside the trained model; read its heads")
    said = "run whose pictures say where the pairs differ (default: drawn into --out; a twin takes its trained model's)"
    add("--maps", metavar="RUN", help=said)
    add("--no-decoders", action="store_true", help="place alone; code and deformation are left out")
    said = "person detector and keypoint model, Hub ids or folders, for bodies in pictures (Posebox knows its own)"
    add("--keypoints", nargs="*", metavar="MODEL", help=said)


def _dense(options: argparse.Namespace) -> int:
    """Everything that can be refused is refused before a model is loaded."""
    config, prompts = config_of(options), prompts_of(options.prompts)
    check_config(config)
    check_enough(prompts)
    model, untrained = checked_model(options)
    if options.grafted and untrained:
        raise InputError("--grafted draws blocks anew inside the trained model; leave --untrained and --permuted out.")
    if options.keypoints is not None and len(options.keypoints) not in (0, 2):
        raise InputError("--keypoints takes a detector and a keypoint model, or neither; give both, or none.")
    if untrained and options.maps is None:
        raise InputError(
            "A twin is read against its trained model's pictures: its own are lopsided alike in every pair, which "
            "breaks the test. Give that dense run's folder as --maps."
        )
    name = default_out(prompts.name, model, untrained).name + ("-grafted" if options.grafted else "")
    out = Path(options.out or Path("runs", "dense", name))
    ranks = Ranks.here()
    ranks.meet()
    pictures = load_pictures(options.maps, prompts) if options.maps else None
    if ranks.several:
        check_free(out, ranks, options.resume, besides=(FOLDER,))
        ranks.wait()  # nobody makes a part before it is known that none is there
    # A part of a command that several processes share is saved beside the run.
    part = part_folder(out, ranks) if ranks.several else out
    resume = _resumed(part, options.resume, prompts)
    ranks.take_device()
    with made(out), made(part):
        # Of a graft the seed is that of the blocks drawn anew, in a model that is trained.
        pipe = load(options, model, untrained, 0 if options.grafted else options.weights_seed or 0)
        if pictures is None and ranks.first:
            _pictures(pipe, prompts, config, out)
        ranks.wait()
        pictures = pictures or load_pictures(out, prompts)
        n_blocks = len(pipe.transformer.transformer_blocks) + len(pipe.transformer.single_transformer_blocks)
        blocks = range(n_blocks)[ranks.share(n_blocks)]
        asked, result = config, None
        if ranks.several:
            config = _with_one_batch(pipe, prompts, config, out, ranks)
        if blocks:  # else there are more processes than blocks
            result = _read(pipe, prompts, config, pictures, resume, part, options, ranks.first, blocks)
        if ranks.several:
            result = _joined(asked, out, n_blocks, ranks)
    if result is not None:
        print(f"Saved {result.n_pairs} pairs to {out}.", file=sys.stderr)
        print(f"\nThe ladder, beside its twins: {shell_line('ladder', out)}", file=sys.stderr)
    return 0


def _with_one_batch(pipe: Any, prompts: PromptSet, config: ProbeConfig, out: Path, ranks: Ranks) -> ProbeConfig:
    """The settings with the batch that all processes take: what was drawn here and not there leaves unlike memory."""
    from plantain.probe.shared import choose_batch  # torch

    with writing(out):
        return replace(config, batch_size=choose_batch(pipe, prompts, config, out, ranks))


def _joined(config: ProbeConfig, out: Path, n_blocks: int, ranks: Ranks) -> DenseResult | None:
    """The whole run, in the first process."""
    from plantain.probe.shared import joined_dense  # torch

    ranks.wait()
    return joined_dense(out, ranks, n_blocks, config) if ranks.first else None


def _resumed(out: Path, wanted: bool, prompts: PromptSet) -> DenseResult | None:
    """The run to go on with, or None for a new one; a folder with pictures alone is free."""
    with writing(out):
        free = not out.is_dir() or is_free(out, besides=(FOLDER,))
    if wanted and (out / DENSE.description).exists():
        return load_dense(out)
    if wanted and (out / PROBE.description).exists():
        begun = load_result(out)
        if begun.prompts == prompts and not begun.complete:  # killed between the two saves of its first pairs
            print(f"Nothing was read token by token in {out}; starting afresh.", file=sys.stderr)
            return None
    if not free and wanted:
        raise InputError(f"{out} holds no dense run to go on with (no {DENSE.description}); give another --out.")
    if not free:
        raise InputError(f"{out} is not empty; give another --out, or --resume to go on with the dense run in it.")
    return None


def _pictures(pipe: Any, prompts: PromptSet, config: ProbeConfig, out: Path) -> None:
    """Draw the pictures of the run into it where they are not there, or not all."""
    before = load_pictures(out, prompts) if (out / FOLDER / DESCRIPTION).exists() else None
    if before is None or not before.complete:
        try:
            draw_run(pipe, prompts, config, out, before)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"pictures so far are saved in {out}; go on with the same command") from None


def _known(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, pictures: Pictures, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bodies and figures as far as they can be known, and verdicts on the pictures for the record."""
    from plantain.model.noise import latent_grid  # torch
    from plantain.posebox.proof import judge_pairs
    from plantain.posebox.truth import SIZE, bodies_of, draws_its_world
    from plantain.probe.probe import picture_size

    size = picture_size(pipe, config)
    grid = latent_grid(pipe, *size)
    if options.keypoints is not None:
        return _known_by_keypoints(prompts, pictures, grid, options)
    if not draws_its_world(pipe):
        return {}, {}
    figures = None if options.no_decoders else _figures(prompts, grid, size)
    own_size = pictures.pixels.shape[2:4] == (SIZE, SIZE)
    judged = _judged(judge_pairs(pictures.pixels, prompts), "the nearest of rendered poses") if own_size else {}
    return {"bodies": bodies_of(prompts, grid), "figures": figures}, judged


def _known_by_keypoints(
    prompts: PromptSet, pictures: Pictures, grid: tuple[int, int], options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same out of the pictures: keypoints of the person in each, and figures that are the pictures moved."""
    from plantain.model.person import detect_points, load_person_models  # torch
    from plantain.pose.keypoints import judge_points

    detector, estimator = options.keypoints or (None, None)
    models, ids = load_person_models(detector, estimator, options.device), [pair.id for pair in prompts.pairs]
    sides = pictures.pixels.reshape(-1, *pictures.pixels.shape[2:])
    points = detect_points(models, sides).reshape(-1, 2, 17, 3)
    bodies, figures = bodies_from_points(points, sides.shape[1:3], grid, ids, models.source), None
    if not options.no_decoders:
        try:
            figures = figures_from_pictures(pictures.pixels, bodies, ids)
        except InputError as error:
            print(f"Code is left out. {error}", file=sys.stderr)
    judged = _judged(judge_points(points), f"a rule on keypoints of {models.source}")
    return {"bodies": bodies, "figures": figures}, judged


def _judged(verdicts: Any, judge: str) -> dict[str, Any]:
    """Verdicts as plain JSON values."""
    rows = [[None if verdict is None else bool(verdict) for verdict in row] for row in verdicts]
    return {"judged": rows, "judge": judge}


def _figures(prompts: PromptSet, grid: tuple[int, int], size: tuple[int, int]) -> Any:
    """Posebox's figures; None, and why, where they cannot be rendered: the other decoders need none."""
    from plantain.posebox.truth import SIZE, figures_of  # torch

    why = f"Figures are rendered in {SIZE} × {SIZE} pixels, and this run has {size[1]} × {size[0]}."
    if size == (SIZE, SIZE):
        try:
            return figures_of(prompts, grid)
        except InputError as error:
            why = str(error)
    print(f"Code is left out. {why}", file=sys.stderr)
    return None


def _read(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig,
    pictures: Pictures,
    resume: DenseResult | None,
    out: Path,
    options: argparse.Namespace,
    shown: bool,
    blocks: Sequence[int],
) -> DenseResult:
    """The dense run with a progress bar, saved on the way; an interruption says what is saved."""
    from plantain.probe.dense import iter_dense  # torch
    from plantain.probe.grafted import iter_grafted
    from plantain.probe.saving import saved_steps

    known, judged = _known(pipe, prompts, config, pictures, options)
    for told in known.values():
        for note in () if told is None else told.notes:
            print(note, file=sys.stderr)
    given = {"pictures": pictures, "resume": resume, "about": judged, "decoders": not options.no_decoders, **known}
    given["blocks"] = blocks
    if options.grafted:
        given["weights_seed"] = options.weights_seed or 0
    steps = (iter_grafted if options.grafted else iter_dense)(pipe, prompts, config, **given)
    what = prompts.name
    result, bar = resume, tqdm(total=len(prompts), desc=what, disable=not shown)
    try:
        with bar, contextlib.closing(saved_steps(steps, resume, out, "dense run")) as running:
            for progress in running:
                result = progress.result
                if (what, bar.total) != (progress.what, progress.total):  # a bar that is not shown has no words
                    what = progress.what
                    bar.reset(progress.total)
                    bar.set_description(what)
                bar.update(progress.done - bar.n)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is saved in {out}; go on with the same command and --resume") from None
    assert result is not None  # a prompt set holds at least one pair
    return result
