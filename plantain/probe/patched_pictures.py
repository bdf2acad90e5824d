"""Pictures drawn with heads patched at every step, and what a judge sees in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from plantain.data.interventions import DIRECTIONS, KINDS, MAIN, RANKINGS, ROLES, TOKENS, Interventions
from plantain.data.patching import DRAWN, PatchStudy
from plantain.data.pictures import DrawConfig
from plantain.data.prompts import PromptPair
from plantain.errors import InputError
from plantain.model.features import encode
from plantain.model.identity import describe
from plantain.model.text import drawing_defaults, text_mask
from plantain.probe.cause import CauseProgress
from plantain.probe.patching import Patch, Patching, prompt_forwards
from plantain.probe.pictures import draw_features
from plantain.probe.probe import Clock, noise_of, picture_size

# Patched pictures of a pair drawn at a time, beside A and B.
_ROWS = 24
# Which sets are drawn: enough to see what a ranking turns, few enough to draw.
_K, _WITHIN_K = (4, 8, 15), (8,)
_MATCHED_K, _MATCHED = (8, 15), 3


@dataclass(frozen=True)
class Drawing:
    """How pictures are drawn: steps and guidance, from which noise, at which steps patched (None: all)."""

    seed: int
    num_inference_steps: int
    guidance_scale: float
    height: int
    width: int
    steps: tuple[int, ...] | None = None


def default_drawing(pipe: Any, seed: int = 0, steps: tuple[int, ...] | None = None) -> Drawing:
    """A model's own steps, guidance and size.

    >>> default_drawing(pipe, seed=0, steps=(0, 1, 2))
    """
    from plantain.data.settings import ProbeConfig

    n, guidance = drawing_defaults(pipe)
    return Drawing(seed, n, guidance, *picture_size(pipe, ProbeConfig(seed=seed)), steps)


def draw_patched(
    pipe: Any, pair: PromptPair, runs: np.ndarray, sides: np.ndarray, alphas: np.ndarray, drawing: Drawing,
    tokens: str = "image",
) -> np.ndarray:  # fmt: skip
    """A and B of a pair, then every patched picture, under one noise: uint8, (2 + n, height, width, 3).

    >>> draw_patched(pipe, pair, head_runs[None], np.array([0]), np.array([1.0]), default_drawing(pipe))

    ``runs`` (n, n_runs), the set of each picture; ``sides`` (n,), 0 where A takes B's values; ``alphas`` (n,). Patched
    are the steps of the drawing, in the prompt's pass alone; donors are the other side's own drawing, step by step.
    Without sets, n = 0, A and B alone.
    """
    features, mask = encode(pipe, [pair.a, pair.b]), text_mask(pipe, [pair.a, pair.b])
    noise = noise_of(pipe, drawing.seed, (drawing.height, drawing.width))
    negative = encode(pipe, [""]) if drawing.guidance_scale > 1 else None
    config = DrawConfig(
        drawing.seed, drawing.num_inference_steps, drawing.guidance_scale, drawing.height, drawing.width
    )
    steps = range(drawing.num_inference_steps) if drawing.steps is None else drawing.steps
    forwards = prompt_forwards(steps, drawing.guidance_scale)
    found: list[np.ndarray] = []
    for at in range(0, max(1, len(runs)), _ROWS):
        some = slice(at, at + _ROWS)
        rows = torch.as_tensor([0, 1, *(int(side) for side in sides[some])])
        patches = [
            Patch(2 + i, one, (1 - int(side),), float(alpha), tokens=tokens)
            for i, (one, side, alpha) in enumerate(zip(runs[some], sides[some], alphas[some], strict=True))
        ]
        with torch.no_grad(), Patching(pipe.transformer, patches, mask[rows.numpy()], forwards):
            drawn = draw_features(pipe, features[rows], config, noise, negative, [pair.id] * len(rows))
        found.append(drawn if not found else drawn[2:])
    return np.concatenate(found)


def drawn_by_default(table: Interventions) -> np.ndarray:
    """Numbers of the interventions that are drawn unless told otherwise: the sets of every ranking, some matched.

    >>> drawn_by_default(study.table)
    """
    role = np.array(ROLES)[table.role]
    main = np.isin(table.ranking, [RANKINGS.index(name) for name in MAIN])
    forwards = table.direction == DIRECTIONS.index("sufficiency")
    chosen = (role == "chosen") & main & np.isin(table.k, _K) & forwards
    within = np.isin(role, ["within high", "within low"]) & main & np.isin(table.k, _WITHIN_K)
    matched = (role == "matched") & forwards & np.isin(table.k, _MATCHED_K) & (table.draw < _MATCHED)
    everything = (role == "kind") & (table.draw == KINDS.index("everything"))
    whole = everything & (table.tokens == TOKENS.index("image")) & (table.step == 0) & forwards
    return np.flatnonzero(chosen | within | matched | whole)


def iter_drawn(
    pipe: Any,
    study: PatchStudy,
    judge: Callable[[int, int, np.ndarray], np.ndarray],
    numbers: Collection[int] | None = None,
) -> Iterator[CauseProgress]:
    """Draw interventions of a whole study pair after pair, and judge the pictures; those drawn before are left out.

    >>> for progress in iter_drawn(pipe, study, judge_patched(study.prompts)): ...

    ``judge`` gives ``DRAWN`` of a picture, by pair and patched side. ``numbers``: which interventions; None:
    ``drawn_by_default``. Pictures are not kept.

    Raises InputError: a study that is not whole, or of other weights.
    """
    if not study.complete:
        raise InputError(f"Drawing needs a whole study; {study.n_pairs} of {len(study.prompts)} pairs are done.")
    if describe(pipe)["weights_fingerprint"] != study.provenance.get("weights_fingerprint"):
        raise InputError("The study is of other weights than this model; give the model that it was made with.")
    wanted = drawn_by_default(study.table) if numbers is None else np.asarray(sorted(numbers))
    starts, table = study.starts, study.table
    if (table.donor[wanted] | table.step[wanted] | table.tokens[wanted]).any():
        raise InputError("Drawn are interventions at image tokens from the partner's run; leave the others out.")
    rows_of = [starts[p] + np.flatnonzero(np.isin(table.of_pair(int(f)), wanted)) for p, f in enumerate(study.folds)]
    todo = [np.setdiff1d(rows, study.drawn_rows) for rows in rows_of]
    total, done, clock, first = sum(map(len, rows_of)), len(study.drawn_rows), Clock(), len(study.drawn_rows)
    spent = float(study.about.get("drawing_seconds", 0.0))
    drawing = replace(
        default_drawing(pipe, study.config.seed), height=study.provenance["height"], width=study.provenance["width"]
    )
    for pair, rows in enumerate(todo):
        if not len(rows):
            continue
        chosen = table.of_pair(int(study.folds[pair]))[rows - starts[pair]]
        runs, sides = table.runs[chosen], table.direction[chosen].astype(int)
        does = np.column_stack([np.packbits(runs, axis=1), sides, table.alpha[chosen]])
        _, at, again = np.unique(does, axis=0, return_index=True, return_inverse=True)
        pictures = draw_patched(pipe, study.prompts.pairs[pair], runs[at], sides[at], table.alpha[chosen][at], drawing)
        verdicts = np.stack([judge(pair, int(sides[i]), picture) for i, picture in zip(at, pictures[2:], strict=True)])
        values = np.concatenate([study.drawn, verdicts[again.reshape(-1)].astype(np.float32)])
        bare = {str(pair): [judge(pair, side, pictures[side]).tolist() for side in (0, 1)]}
        about = study.about | {"drawing_seconds": round(spent + clock.seconds, 3)}
        about |= {"unpatched": {**study.about.get("unpatched", {}), **bare}}
        drawn_rows = np.concatenate([study.drawn_rows, rows.astype(np.int32)])
        study, done = replace(study, drawn=values, drawn_rows=drawn_rows, about=about), done + len(rows)
        left = clock.seconds / max(1, done - first) * (total - done)
        with clock.paused():
            yield CauseProgress(done, total, study, left)
    if done == first:
        yield CauseProgress(done, total, study, 0.0)
    assert study.drawn.shape[1] == len(DRAWN)
