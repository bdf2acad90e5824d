"""``patch``: put the values of chosen heads into the other run, and see what moves."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from plantain.cli.run import checked_model, default_out
from plantain.cli.settings import add_weights, load, made, writing
from plantain.data.dense import DenseResult, load_dense
from plantain.data.disk import PATCH, is_free
from plantain.data.interventions import StudySize, carried_over
from plantain.data.patching import PatchStudy, load_study
from plantain.data.pictures import FOLDER as PICTURES
from plantain.data.pictures import load_pictures
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.probe.ranks import Ranks, check_free, part_folder
from plantain.wording import duration, shell_line

_WHOLE = StudySize()
_SHIPPED = {"": "posebox", "untrained": "posebox-untrained-0", "permuted": "posebox-permuted-0"}


def add_command(commands: Any) -> None:
    """Add it to the subparsers of the command line."""
    parser = commands.add_parser("patch", help="put chosen heads' values into the other run: does the body move?")
    parser.set_defaults(command=_patch)
    add = parser.add_argument
    add("--model", help="as for run")
    add(
        "--dense", metavar="RUN", help="dense run of the same weights, which ranks the heads (default: the shipped one)"
    )
    add("--beside", metavar="RUN", help="dense run of another contrast, for the ranking by selectivity")
    add("--out", help="folder for the study (default: runs/patch/PROMPTS-MODEL)")
    add("--resume", action="store_true", help="go on with the interrupted study in --out")
    add("--view", choices=("head", "card"), default="head", help="attention heads, or card heads (default: head)")
    add("--k", type=int, nargs="+", default=list(_WHOLE.k), help="sizes of the sets (default: %(default)s)")
    add("--matched", type=int, default=_WHOLE.n_matched, help="matched sets beside each (default: %(default)s)")
    add("--draw", action="store_true", help="draw chosen and some matched sets at every step, and judge the pictures")
    said = "patch the first k heads of another contrast's study instead, chosen over all its pairs"
    add("--sets-from", metavar="STUDY", help=said)
    add("--grafted", action="store_true", help="single heads alone, each block drawn anew in turn in the trained model")
    add("--estimate", action="store_true", help="say how many forwards it takes and how long, and stop")
    add("--device", help="cpu, cuda, … (default: a GPU where there is one)")
    add("--dtype", help="float32, bfloat16 or float16 (default: by the device)")
    add_weights(parser)


def _patch(options: argparse.Namespace) -> int:
    """Everything that can be refused is refused before a model is loaded."""
    m = options.matched
    size = StudySize(tuple(options.k), m, min(m, _WHOLE.n_matched_back), n_within=min(m, _WHOLE.n_within))
    model, untrained = checked_model(options)
    if options.grafted and untrained:
        raise InputError("--grafted draws blocks anew inside the trained model; leave --untrained and --permuted out.")
    if options.grafted and (options.draw or options.estimate):
        raise InputError("--grafted patches single heads alone, in minutes; leave --draw and --estimate out.")
    ranks = Ranks.here()
    ranks.meet()
    ranked_by = options.dense or _shipped(model, untrained, options.weights_seed or 0)
    dense = load_dense(ranked_by)
    beside = load_dense(options.beside) if options.beside else None
    prompts = dense.prompts
    name = default_out(prompts.name, model, untrained).name + ("-grafted" if options.grafted else "")
    out = Path(options.out or Path("runs", "patch", name))
    if ranks.several and (options.grafted or options.estimate):
        raise InputError("Several processes share a study alone; leave --grafted and --estimate to one.")
    begun, resume = _begun(options, out, ranks)
    if begun and not ranks.first:
        return 0
    if resume is not None and options.grafted:
        raise InputError(
            "A grafted study is not gone on with, as it takes minutes; leave --resume out, with a new --out."
        )
    ranks.take_device()
    with made(out):
        pipe = load(options, model, untrained, (options.weights_seed or 0) if untrained else 0)
        pictures, truth, judge = _truth(pipe, dense, ranked_by)
        given: dict[str, Any] = {"size": size, "view": options.view, "beside": beside, "truth": truth}
        given |= _carried(options, dense, size) if options.sets_from else {}
        if options.draw and judge is None:
            raise InputError(
                f"Pictures of {model} cannot be judged: whose pose they show is known for Posebox's world alone. Leave "
                "--draw out."
            )
        if options.estimate:
            return _estimate(pipe, dense, pictures, given)
        study: PatchStudy | None
        if ranks.several and resume is None:
            study = _shared(pipe, dense, pictures, out, ranks, given)
        else:
            study = _measure(pipe, dense, pictures, resume, out, options, given)
        if study is None:
            return 0  # the first process has the study
        if options.draw:
            study = _drawn(pipe, study, judge, out)
    print(f"Saved {study.n_pairs} pairs, {len(study.values):,} patched rows, to {out}.", file=sys.stderr)
    print(f"\nWhat it says: {shell_line('cause', out)}", file=sys.stderr)
    return 0


def _begun(options: argparse.Namespace, out: Path, ranks: Ranks) -> tuple[bool, PatchStudy | None]:
    """Whether a study lies in the folder that is gone on with, and the study; refused where one would be lost.

    Several processes go on with their parts; once these are put together, the first process alone goes on.
    """
    begun = options.resume and (out / PATCH.description).exists()
    if ranks.several and not begun:
        check_free(out, ranks, options.resume)
        return False, None
    return begun, _resumed(out, options.resume)


def _carried(options: argparse.Namespace, dense: DenseResult, size: StudySize) -> dict[str, Any]:
    """The sets of another contrast's study instead of this one's."""
    other = load_study(options.sets_from)
    same = (dense.head_map, dense.run.provenance.get("weights_fingerprint"), options.view)
    if (other.head_map, other.provenance.get("weights_fingerprint"), other.view.grouping) != same:
        raise InputError(
            f"{options.sets_from} is of other weights or other heads; --sets-from takes a study of this model."
        )
    table = carried_over(other.head_map, other.scores, size.k, options.view)
    return {"table": table, "sets_from": other.prompts.name}


def _shipped(model: str, untrained: str | bool, seed: int) -> Path:
    """The shipped dense run of Posebox or a twin of it."""
    kind = "untrained" if untrained is True or model.endswith("-untrained") else ""
    kind = "permuted" if untrained == "permuted" or model.endswith("-permuted") else kind
    folder = RUNS / "dense" / _SHIPPED[kind].replace("-0", f"-{seed}") / "dense_pose"
    if not model.startswith("posebox") or not folder.is_dir():
        raise InputError(
            f"No dense run of {model} is shipped; make one (python -m plantain dense) and give its folder as --dense."
        )
    return folder


def _resumed(out: Path, wanted: bool) -> PatchStudy | None:
    """The study to go on with, or None for a new one."""
    with writing(out):
        free = not out.is_dir() or is_free(out)
    if wanted and (out / PATCH.description).exists():
        return load_study(out)
    if not free and wanted:
        raise InputError(f"{out} holds no study to go on with (no {PATCH.description}); give another --out.")
    if not free:
        raise InputError(f"{out} is not empty; give another --out, or --resume to go on with the study in it.")
    return None


def _truth(
    pipe: Any, dense: DenseResult, folder: str | Path
) -> tuple[np.ndarray | None, str, Callable[..., Any] | None]:
    """What A and B show: rendered where the words tell, else what the model drew; and who judges patched pictures."""
    from plantain.posebox.patched import judge_patched, rendered_pairs
    from plantain.posebox.truth import draws_its_world
    from plantain.posebox.world.figure import SIZE

    known = dense.run.provenance
    if draws_its_world(pipe) and (known["height"], known["width"]) == (SIZE, SIZE):
        return rendered_pairs(dense.prompts), "rendered from the words", judge_patched(dense.prompts)
    if not (Path(folder) / PICTURES).is_dir():
        print("No pictures lie with the dense run, so there is no true difference to hold against.", file=sys.stderr)
        return None, "none", None
    return load_pictures(folder, dense.prompts).pixels, "drawn by the model itself", None


def _estimate(pipe: Any, dense: DenseResult, pictures: Any, given: dict[str, Any]) -> int:
    from plantain.probe.cause import estimate

    n, seconds = estimate(pipe, dense, pictures, **given)
    print(f"{n:,} patched forwards, about {duration(seconds)} on this machine.")
    return 0


def _measure(
    pipe: Any,
    dense: DenseResult,
    pictures: Any,
    resume: PatchStudy | None,
    out: Path,
    options: argparse.Namespace,
    given: dict[str, Any],
) -> PatchStudy:
    from plantain.probe.cause import iter_patching  # torch
    from plantain.probe.grafted_cause import iter_grafted_patching

    if options.grafted:
        given = {"truth": given["truth"], "view": given["view"], "weights_seed": options.weights_seed or 0}
        return _run(iter_grafted_patching(pipe, dense, pictures, **given), resume, out, "grafts")
    return _run(iter_patching(pipe, dense, pictures, resume=resume, **given), resume, out, "patched")


def _shared(
    pipe: Any, dense: DenseResult, pictures: Any, out: Path, ranks: Ranks, given: dict[str, Any]
) -> PatchStudy | None:
    """The study where several processes were started for it, in the first one; None in the others."""
    from plantain.probe.cause import iter_patching, start_patching  # torch
    from plantain.probe.shared import joined_study, shared_study

    part, pairs = shared_study(lambda: start_patching(pipe, dense, pictures, **given), out, ranks)
    if part is not None:
        steps = iter_patching(pipe, dense, pictures, resume=part, share=pairs, **given)
        part = _run(steps, part, part_folder(out, ranks), "patched", ranks.first)
    ranks.wait()
    return joined_study(dense.prompts, out, ranks) if ranks.first else None


def _drawn(pipe: Any, study: PatchStudy, judge: Any, out: Path) -> PatchStudy:
    from plantain.probe.patched_pictures import iter_drawn  # torch

    return _run(iter_drawn(pipe, study, judge), study, out, "drawn")


def _run(steps: Iterator[Any], resume: PatchStudy | None, out: Path, what: str, shown: bool = True) -> PatchStudy:
    """The steps with a progress bar, saved on the way; an interruption says what is saved."""
    from plantain.probe.saving import saved_steps

    result, bar = resume, tqdm(desc=what, unit=" rows", disable=not shown)
    try:
        with bar, contextlib.closing(saved_steps(steps, resume, out, "study")) as running:
            for progress in running:
                result = progress.result
                if bar.total != progress.total:
                    bar.reset(progress.total)
                bar.update(progress.done - bar.n)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is saved in {out}; go on with the same command and --resume") from None
    assert result is not None  # a prompt set holds at least one pair
    return result
