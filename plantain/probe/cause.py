"""The patching study: heads chosen on some pairs take another run's values in the others, and the velocity answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from plantain.data.dense import DenseResult
from plantain.data.folds import N_FOLDS, folds_of
from plantain.data.interventions import DONORS, TOKENS, Interventions, StudySize
from plantain.data.interventions import plan_interventions as planned
from plantain.data.patching import MEASURES, PatchStudy
from plantain.data.prompts import PromptSet
from plantain.data.rankings import head_scores
from plantain.data.view import View
from plantain.errors import InputError
from plantain.model.identity import describe
from plantain.model.latents import packed_latents
from plantain.model.text import drawing_defaults, encode
from plantain.probe.patching import Joining, Patch, prompt_forwards
from plantain.probe.probe import Clock, Plan, denoise, make_plan, noise_of
from plantain.probe.sizes import shift_sizes

MIN_PAIRS = 8
"""Pairs of a study: some to choose heads on, some to test them in."""
# Tokens of a forward on a CPU: with fewer, A and B, which every forward carries, weigh more.
_CPU_TOKENS = 7680
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
    same_weights : whether the dense run must be of these weights; not where ``table`` leaves nothing to be ranked

    Raises
    ------
    InputError
        A dense run of other weights or of part of its pairs, fewer than eight pairs, pictures of another shape, a set
        over other heads, activations that are not finite, or a ``resume`` of another study.
    """
    size, view = size or StudySize(), View.of(view)
    plan = _checked_plan(pipe, dense, pictures, same_weights)
    folds = study_folds(dense.prompts, size.seed)
    study = resume or _start(plan, dense, size, view, beside, folds, truth, table)
    if resume is not None:
        _check_resume(resume, plan, view, size, truth)
    directions = None if pictures is None else _true_differences(pipe, pictures)
    _check_same_truth(study, directions)
    runner, clock, first = _Runner(plan, study.table, directions), Clock(), len(study.values)
    spent = float(study.about.get("seconds", 0.0))
    starts = study.starts
    total, done = int(starts[-1]), first
    if done == total:
        yield CauseProgress(done, total, study, 0.0)
        return
    for pair in range(study.n_pairs, len(dense.prompts)):
        values, velocity = runner.pair(pair, study.table.of_pair(int(folds[pair])))
        velocities = study.velocities.copy()
        velocities[pair] = velocity
        about = study.about | {"seconds": round(spent + clock.seconds, 3)}
        whole = np.concatenate([study.values, values])
        study, done = replace(study, values=whole, velocities=velocities, about=about), len(whole)
        left = clock.seconds / (done - first) * (total - done)
        with clock.paused():
            yield CauseProgress(done, total, study, left)


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
    runner = _Runner(plan, study.table, None if pictures is None else _true_differences(pipe, pictures))
    numbers = study.table.of_pair(int(folds[0]))
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
) -> PatchStudy:
    """The study before its first pair: sizes are measured, heads chosen, interventions planned."""
    sizes = shift_sizes(plan)
    steps, guidance = drawing_defaults(plan.pipe)
    about = {"truth": truth, "drawing_steps": steps, "drawing_guidance": guidance, "seconds": 0.0}
    about |= {"size": _plain(size), "ranked_by": dense.run.provenance.get("weights_fingerprint")}
    empty = Interventions.none(plan.head_map.n_runs)
    values, velocities = np.zeros((0, len(MEASURES)), np.float32), np.zeros((len(folds), 4), np.float32)
    blank = PatchStudy(
        empty, values, sizes, folds, velocities, dense.prompts, plan.config, plan.head_map,
        {**plan.provenance, **_weights(plan.pipe)}, view, about=about,
    )  # fmt: skip
    if table is None:
        norm, write = blank.size_of("norm"), blank.size_of("write")
        numbers = sorted({int(fold) for fold in folds})
        scores = [head_scores(dense, norm, write, folds != fold, view, beside) for fold in numbers]
        written = [write[folds != fold].mean(axis=0) for fold in numbers]
        fitting = replace(size, steps=tuple(step for step in size.steps if step < steps))
        table = planned(plan.head_map, scores, written, view, fitting)
    return replace(blank, table=table)


def _weights(pipe: Any) -> dict[str, Any]:
    """Which weights these are, where they are not the model's own."""
    known = describe(pipe)
    return {name: known[name] for name in ("weights", "weights_seed") if name in known}


def _plain(size: StudySize) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(size).items()}


def _check_resume(resume: PatchStudy, plan: Plan, view: View, size: StudySize, truth: str) -> None:
    now = {
        "prompts": (resume.prompts, plan.prompts),
        "settings": (resume.config, plan.config),
        "heads": (resume.view, view),
        "weights": (resume.provenance.get("weights_fingerprint"), plan.provenance["weights_fingerprint"]),
        "size": (resume.about.get("size"), _plain(size)),
        "truth": (resume.about.get("truth"), truth),
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


def _true_differences(pipe: Any, pictures: np.ndarray) -> np.ndarray:
    """v*_B − v*_A of every pair, where v* = noise − picture: float32 (n_pairs, N · C). The noise cancels."""
    latents = packed_latents(pipe, pictures.reshape(-1, *pictures.shape[2:])).reshape(len(pictures), 2, -1)
    return np.asarray(latents[:, 0] - latents[:, 1], np.float32)


class _Runner:
    """Pairs through the model, every intervention a row; one model, one thread."""

    def __init__(self, plan: Plan, table: Interventions, truth: np.ndarray | None) -> None:
        self._plan, self._table = plan, table
        self._noise = noise_of(plan.pipe, plan.config.seed, plan.size)
        device = plan.pipe.transformer.device
        self._truth = None if truth is None else torch.as_tensor(truth, device=device)
        self._rows = plan.batch_size
        if device.type == "cpu":
            self._rows = max(self._rows, _CPU_TOKENS // int(plan.token_counts[0, 0].sum()))

    def pair(self, pair: int, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``MEASURES`` of some interventions in a pair, float32 (n, M), and what is known of its velocities, (4,)."""
        numbers, again = self._distinct(numbers)
        table, values = self._table, np.zeros((len(numbers), len(MEASURES)), np.float32)
        of_others = table.donor[numbers] == DONORS.index("others")
        velocity = None
        for step in np.unique(table.step[numbers]):
            here = table.step[numbers] == step
            for sides, chosen in (([pair], here & ~of_others), (self._all_first(pair), here & of_others)):
                rows = np.flatnonzero(chosen)
                rows = rows[np.argsort(self._first_block(numbers[rows]), kind="stable")]  # late ones join late together
                n = max(1, self._rows)
                for some in (rows[at : at + n] for at in range(0, len(rows), n)):
                    own, patched, sigma = self._forward(sides, numbers[some], int(step))
                    self._check_finite(pair, own, patched)
                    values[some] = self._measures(pair, own, patched, numbers[some], sigma)
                    velocity = self._velocity(pair, own) if velocity is None and step == 0 else velocity
        return values[again], np.zeros(4, np.float32) if velocity is None else velocity

    def _check_finite(self, pair: int, own: torch.Tensor, patched: torch.Tensor) -> None:
        """Before anything is divided: what is no number would come out as 0."""
        if not (own.isfinite().all() and patched.isfinite().all()):
            name = self._plan.prompts.pairs[pair].id
            raise InputError(f"The velocities of pair {name!r} are not all finite; load the model in float32.")

    def _distinct(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Interventions that differ in what they do, and which of them each is: several rankings choose one set."""
        table = self._table
        does = [table.direction, table.tokens, table.donor, table.step, table.alpha]
        keys = np.column_stack([np.packbits(table.runs[numbers], axis=1), *(column[numbers] for column in does)])
        _, first, again = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        return numbers[first], again.reshape(-1)

    def _all_first(self, pair: int) -> list[int]:
        return [pair, *(q for q in range(len(self._plan.prompts)) if q != pair)]

    def _first_block(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(self._table.runs[numbers].argmax(axis=1))  # runs lie in the order of the blocks

    def _forward(
        self, pairs: Sequence[int], numbers: np.ndarray, step: int
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Velocities of A and B of the pairs, and of every intervention in the first of them, at one step."""
        plan, config = self._plan, self._plan.config
        guidance, negative = 1.0, None
        if step:
            steps, guidance = drawing_defaults(plan.pipe)
            config = replace(config, num_inference_steps=steps, guidance_scale=guidance, sigmas=None, noise_levels=None)
            negative = self._negative if guidance > 1 else None
            plan = replace(plan, config=config, sigmas=None)
        features = torch.cat([self._features(pair) for pair in pairs])
        masks = plan.masks[list(pairs)].reshape(2 * len(pairs), -1)
        patches = [self._patch(int(number), len(pairs)) for number in numbers]
        forwards = prompt_forwards([step], guidance)
        channels = plan.config.channels_per_head
        with torch.no_grad(), Joining(plan.pipe.transformer, patches, masks, forwards, channels) as joining:
            # Steps that come after are drawn for nothing; they are few, and pairs of later steps as well.
            realised = denoise(plan, features, self._noise, negative)
        return joining.own, joining.patched, realised[step]

    def _patch(self, number: int, n_pairs: int) -> Patch:
        """Rows are A and B of each pair in turn; the patched pair is the first."""
        table = self._table
        row = int(table.direction[number])  # into A for sufficiency, into B for necessity
        donor = 1 - row
        of_others = DONORS[table.donor[number]] == "others"
        donors = tuple(2 * q + donor for q in range(1, n_pairs)) if of_others else (donor,)
        return Patch(row, table.runs[number], donors, float(table.alpha[number]), tokens=TOKENS[table.tokens[number]])

    def _features(self, pair: int) -> torch.Tensor:
        """Text features of A and B, kept while they may be wanted again."""
        kept: dict[int, torch.Tensor] = self.__dict__.setdefault("_kept", {})
        if pair not in kept:
            one = self._plan.prompts.pairs[pair]
            kept[pair] = encode(self._plan.pipe, [one.a, one.b])
        return kept[pair]

    @property
    def _negative(self) -> torch.Tensor:
        if "_empty" not in self.__dict__:
            self._empty = encode(self._plan.pipe, [""])
        return self._empty

    def _measures(
        self, pair: int, own: torch.Tensor, patched: torch.Tensor, numbers: np.ndarray, sigma: float
    ) -> np.ndarray:
        """The change of each row's velocity against the model's own difference and the true ones: (n, M)."""
        own, patched = own.float().flatten(1), patched.float().flatten(1)
        into = torch.as_tensor(self._table.direction[numbers].astype(np.int64), device=own.device)
        change = patched - own[into]
        towards = own[1 - into] - own[into]
        moved = change.square().sum(1)
        along, length = (change * towards).sum(1), towards.square().sum(1)
        cos2 = _ratio(along.square(), moved * length)
        found = [_ratio(along, length), torch.where(moved > 0, 1 - cos2, 0.0)]
        if self._truth is None:
            found += [torch.zeros_like(along)] * 3
        else:
            # At a later step a velocity is (latents − picture)/σ: from the same latents the truths differ by 1/σ.
            truth = self._truth / sigma
            sign = (1 - 2 * into).to(truth.dtype)
            products = change @ truth.T * sign[:, None]  # (n, P)
            lengths = truth.square().sum(1)
            shares = _ratio(products, lengths[None])
            others = (shares.sum(1) - shares[:, pair]) / max(1, len(truth) - 1)
            cosine = _ratio(products[:, pair], (moved * lengths[pair]).sqrt())
            found += [shares[:, pair], cosine, others]
        return torch.stack(found, dim=1).cpu().numpy().astype(np.float32)

    def _velocity(self, pair: int, own: torch.Tensor) -> np.ndarray:
        """‖v_B − v_A‖, ‖true difference‖, their cosine, and the share of the truth covered: (4,)."""
        difference = (own[1] - own[0]).float().flatten()
        length = float(difference.norm())
        if self._truth is None:
            return np.array([length, 0, 0, 0], np.float32)
        truth = self._truth[pair]
        true_length, product = float(truth.norm()), float(difference @ truth)
        cosine = product / (length * true_length) if length * true_length > 0 else 0.0
        covered = product / true_length**2 if true_length > 0 else 0.0
        return np.array([length, true_length, cosine, covered], np.float32)


def _ratio(top: torch.Tensor, bottom: torch.Tensor) -> torch.Tensor:
    """0 where there is nothing to divide by: two prompts that give the same velocity have no axis."""
    return torch.where(bottom > 0, top / torch.where(bottom > 0, bottom, 1.0), 0.0)
