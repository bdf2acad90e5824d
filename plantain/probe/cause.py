"""The patching study: heads chosen on some pairs take another run's values in the others, and the velocity answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plantain.data.dense import DenseResult
from plantain.data.folds import N_FOLDS, folds_of
from plantain.data.interventions import RANKINGS, Interventions, StudySize
from plantain.data.interventions import plan_interventions as planned
from plantain.data.patching import MEASURES, PatchStudy
from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.rankings import head_scores
from plantain.data.view import View
from plantain.errors import InputError
from plantain.model.identity import describe
from plantain.model.text import drawing_defaults
from plantain.probe.patch_rows import N_OTHERS, PatchRunner, true_differences
from plantain.probe.probe import Clock, Plan, make_plan
from plantain.probe.sizes import shift_sizes

MIN_PAIRS = 8
"""Pairs of a study: some to choose heads on, some to test them in."""
# Rows that an estimate is measured on.
_SAMPLE = 100


@dataclass(frozen=True)
class CauseProgress:
    """State of a study: ``done`` of ``total`` patched rows, each a forward's worth."""

    done: int
    total: int
    result: PatchStudy | None
    seconds_left: float


def run_patching(pipe: Any, dense: DenseResult, pictures: np.ndarray | None = None, **more: Any) -> PatchStudy:
    """Choose heads by a dense run, patch them, and measure; ``iter_patching`` without the steps between.

    >>> study = plantain.run_patching(pipe, load_dense("assets/runs/dense/posebox/dense_pose"), pictures.pixels)

    Raises InputError as ``iter_patching``.
    """
    *_, last = iter_patching(pipe, dense, pictures, **more)
    assert last.result is not None
    return last.result


def iter_patching(
    pipe: Any,
    dense: DenseResult,
    pictures: np.ndarray | None = None,
    size: StudySize | None = None,
    view: View | str = "head",
    beside: DenseResult | None = None,
    resume: PatchStudy | None = None,
    truth: str = "pictures",
    table: Interventions | None = None,
    same_weights: bool = True,
    sets_from: str = "",
    share: slice = slice(None),
) -> Iterator[CauseProgress]:
    """Patch pair after pair, yielding the study so far after each.

    >>> for progress in iter_patching(pipe, dense, pictures.pixels):
    ...     print(progress.done, "of", progress.total, f"{progress.seconds_left:.0f} s left")

    Prompts, noise and size are the dense run's, at guidance 1; pairs lie in folds that share neither subject nor pose,
    and heads are chosen in every fold by the others (``head_scores``). A patched row starts as its own run at its first
    patched block. Later denoising steps are those of a drawing (the model's own steps and guidance), from each side's
    own latents; there the prompt's pass alone is patched.

    Parameters
    ----------
    dense : a whole dense run of the same weights, whose scores rank the heads
    pictures : uint8 (n_pairs, 2, height, width, 3), what A and B show, for the true difference; None: there is none
    size : how much is asked; ``view``: the heads chosen among; ``beside``: a dense run that *selectivity* takes away
    resume : a partial study of the same
    truth : where ``pictures`` come from, in words
    table : interventions of one's own, over folds of ``study_folds``; None: those of a study
    sets_from : which prompt set chose the sets of ``table``, for the record
    same_weights : whether the dense run must be of these weights; not where ``table`` leaves nothing to be ranked
    share : pairs of this process, where several share a study; ``resume`` is then ``part_of`` it

    Raises
    ------
    InputError
        A dense run of other weights or of part of its pairs, fewer than eight pairs, pictures of another shape, a set
        over other heads, activations that are not finite, or a ``resume`` of another study.
    """
    size, view = size or StudySize(), View.of(view)
    plan = _checked_plan(pipe, dense, pictures, same_weights)
    folds = study_folds(dense.prompts, size.seed)
    study = resume or _start(plan, dense, size, view, beside, folds, truth, table, sets_from)
    if resume is not None:
        _check_resume(resume, dense.prompts.pairs[share], plan, view, size, truth, sets_from)
    directions = None if pictures is None else true_differences(pipe, pictures)
    _check_same_truth(study, None if directions is None else directions[share])
    runner, clock, first = PatchRunner(plan, study.table, directions), Clock(), len(study.values)
    spent = float(study.about.get("seconds", 0.0))
    starts = study.starts
    total, done = int(starts[-1]), first
    if done == total:
        yield CauseProgress(done, total, study, 0.0)
        return
    for row in range(study.n_pairs, len(study.prompts)):
        values, velocity = runner.pair(row + (share.start or 0), study.table.of_pair(int(study.folds[row])))
        velocities = study.velocities.copy()
        velocities[row] = velocity
        about = study.about | {"seconds": round(spent + clock.seconds, 3)}
        whole = np.concatenate([study.values, values])
        study, done = replace(study, values=whole, velocities=velocities, about=about), len(whole)
        left = clock.seconds / (done - first) * (total - done)
        with clock.paused():
            yield CauseProgress(done, total, study, left)


def start_patching(pipe: Any, dense: DenseResult, pictures: np.ndarray | None = None, **more: Any) -> PatchStudy:
    """The study before its first pair, heads chosen and interventions planned; arguments as of ``iter_patching``.

    >>> part_of(start_patching(pipe, dense, pictures.pixels), slice(0, 12))
    """
    size, view = more.get("size") or StudySize(), View.of(more.get("view", "head"))
    plan = _checked_plan(pipe, dense, pictures, more.get("same_weights", True))
    named = more.get("truth", "pictures"), more.get("table"), more.get("sets_from", "")
    return _start(plan, dense, size, view, more.get("beside"), study_folds(dense.prompts, size.seed), *named)


def part_of(study: PatchStudy, pairs: slice) -> PatchStudy:
    """The study of some of its pairs, with heads as they were chosen over all: what one of several processes does.

    >>> part_of(study, slice(0, 12)).n_pairs
    0
    """
    # Rules and designs hold for the set, not for every part of it.
    some = replace(study.prompts, pairs=study.prompts.pairs[pairs], rules=(), design="")
    return replace(
        study,
        prompts=some,
        sizes=study.sizes[:, pairs],
        folds=study.folds[pairs],
        velocities=study.velocities[pairs],
    )


def study_folds(prompts: PromptSet, seed: int = 0) -> np.ndarray:
    """A fold for every pair, (n_pairs,): by subject and pose where the tags tell them, otherwise five at random.

    >>> study_folds(plantain.load_prompts("dense_pose"))
    """
    found = folds_of(prompts)
    if found is None:
        found = np.random.default_rng(seed).permutation(np.arange(len(prompts)) % N_FOLDS)
    return np.asarray(found, np.int64)


def n_forwards(table: Interventions, folds: np.ndarray) -> int:
    """Patched rows of a study, before it starts: each takes a forward of its own, or the part after its first block.

    >>> n_forwards(study.table, study.folds)
    """
    return int(sum(len(table.of_pair(int(fold))) for fold in folds))


def estimate(pipe: Any, dense: DenseResult, pictures: np.ndarray | None = None, **more: Any) -> tuple[int, float]:
    """Patched rows of a study and the seconds they take, from a sample of them in the first pair.

    >>> n, seconds = estimate(pipe, dense, pictures)

    Takes the arguments of ``iter_patching``; measures sizes and plans as it does.
    """
    size, view = more.get("size") or StudySize(), View.of(more.get("view", "head"))
    plan = _checked_plan(pipe, dense, pictures)
    folds = study_folds(dense.prompts, size.seed)
    study = _start(plan, dense, size, view, more.get("beside"), folds, more.get("truth", ""), more.get("table"))
    runner = PatchRunner(plan, study.table, None if pictures is None else true_differences(pipe, pictures))
    numbers = study.table.of_pair(int(folds[0]))
    numbers = numbers[study.table.step[numbers] == 0]  # a few rows of later steps take a whole drawing each
    sample = numbers[:: max(1, len(numbers) // _SAMPLE)]
    runner.pair(0, sample[:2])  # the first call of a shape is slow
    clock = Clock()
    runner.pair(0, sample)
    n = n_forwards(study.table, folds)
    return n, clock.seconds / len(sample) * n


def _checked_plan(pipe: Any, dense: DenseResult, pictures: np.ndarray | None, same_weights: bool = True) -> Plan:
    prompts = dense.prompts
    if not dense.complete or len(prompts) < MIN_PAIRS:
        raise InputError(
            f"A patching study needs a whole dense run of at least {MIN_PAIRS} pairs, to choose heads on some and test "
            f"them on others; got {dense.n_pairs} of {len(prompts)}."
        )
    plan = make_plan(pipe, prompts, replace(dense.run.config, guidance_scale=1.0), None)
    was, now = dense.run.provenance.get("weights_fingerprint"), plan.provenance["weights_fingerprint"]
    if (same_weights and was != now) or dense.run.provenance.get("weights") == "grafted":
        raise InputError(
            f"The dense run is of other weights ({was}) than this model ({now}); make one of it: python -m plantain "
            "dense."
        )
    if dense.head_map != plan.head_map:
        raise InputError(
            "The dense run reads other heads than this model has; make one of it: python -m plantain dense."
        )
    if pictures is not None and (pictures.shape != (len(prompts), 2, *plan.size, 3) or pictures.dtype != np.uint8):
        raise InputError(
            f"Pictures must be uint8, {(len(prompts), 2, *plan.size, 3)}; got {pictures.dtype}, {pictures.shape}."
        )
    return plan


def _start(
    plan: Plan,
    dense: DenseResult,
    size: StudySize,
    view: View,
    beside: DenseResult | None,
    folds: np.ndarray,
    truth: str,
    table: Interventions | None,
    sets_from: str = "",
) -> PatchStudy:
    """The study before its first pair: sizes are measured, heads chosen, interventions planned."""
    sizes = shift_sizes(plan)
    steps, guidance = drawing_defaults(plan.pipe)
    about = {"truth": truth, "drawing_steps": steps, "drawing_guidance": guidance, "seconds": 0.0}
    about |= {"sets_from": sets_from} if sets_from else {}
    about |= {"folds": "at random" if folds_of(dense.prompts) is None else "no subject or pose in two"}
    about |= {
        "others": min(N_OTHERS, len(folds) - 1),
        "size": _plain(size),
        "ranked_by": dense.run.provenance.get("weights_fingerprint"),
    }
    empty = Interventions.none(plan.head_map.n_runs)
    values, velocities = np.zeros((0, len(MEASURES)), np.float32), np.zeros((len(folds), 4), np.float32)
    scores = np.full((len(RANKINGS), plan.head_map.n_heads(view)), np.nan, np.float32)
    blank = PatchStudy(
        empty, values, sizes, folds, velocities, scores, dense.prompts, plan.config, plan.head_map,
        {**plan.provenance, **_weights(plan.pipe)}, view, about=about,
    )  # fmt: skip
    norm, write = blank.size_of("norm"), blank.size_of("write")
    for name, score in head_scores(dense, norm, write, np.ones(len(folds), bool), view, beside).items():
        scores[RANKINGS.index(name)] = score
    if table is None:
        numbers = sorted({int(fold) for fold in folds})
        by_fold = [head_scores(dense, norm, write, folds != fold, view, beside) for fold in numbers]
        written = [write[folds != fold].mean(axis=0) for fold in numbers]
        fitting = replace(size, steps=tuple(step for step in size.steps if step < steps))
        table = planned(plan.head_map, by_fold, written, view, fitting)
    return replace(blank, table=table)


def _weights(pipe: Any) -> dict[str, Any]:
    """Which weights these are, where they are not the model's own."""
    known = describe(pipe)
    return {name: known[name] for name in ("weights", "weights_seed") if name in known}


def _plain(size: StudySize) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(size).items()}


def _check_resume(
    resume: PatchStudy,
    pairs: tuple[PromptPair, ...],
    plan: Plan,
    view: View,
    size: StudySize,
    truth: str,
    sets_from: str,
) -> None:
    now = {
        "prompts": ((resume.prompts.name, resume.prompts.pairs), (plan.prompts.name, pairs)),
        "settings": (resume.config, plan.config),
        "heads": (resume.view, view),
        **{
            what: (resume.provenance.get(key), plan.provenance.get(key))
            for what, key in (("weights", "weights_fingerprint"), ("dtype", "dtype"), ("precision", "coarser"))
        },
        "size": (resume.about.get("size"), _plain(size)),
        "truth": (resume.about.get("truth"), truth),
        "sets": (resume.about.get("sets_from", ""), sets_from),
    }
    for what, (was, is_now) in now.items():
        if was != is_now:
            raise InputError(f"Cannot resume: the saved study has other {what}. Start a new one elsewhere.")


def _check_same_truth(study: PatchStudy, truth: np.ndarray | None) -> None:
    """The true differences of pairs done before, by their lengths, where a first step has told them."""
    told = np.flatnonzero(study.velocities[: study.n_pairs, 0])
    now = np.zeros(len(told)) if truth is None else np.linalg.norm(truth[told], axis=1)
    if not np.allclose(study.velocities[told, 1], now, rtol=1e-3):
        raise InputError("Cannot resume: the saved study has other pictures. Start a new one elsewhere.")
