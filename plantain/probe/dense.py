"""The dense run: every head read token by token, and reduced inside the hooks to how it matches the pairs' maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from plantain.data.bodies import Bodies
from plantain.data.dense import GRAFTED, READINGS, TRUTHS, DenseResult, check_config
from plantain.data.figures import Figures
from plantain.data.heads import HeadMap
from plantain.data.pictures import Pictures, prompts_digest
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.features import encode
from plantain.model.noise import latent_grid
from plantain.probe.decoded import CODE_LEVEL, iter_decoded
from plantain.probe.probe import Clock, Plan, check_finite, extended, forward, make_plan, noise_of
from plantain.probe.streams import squares_of
from plantain.probe.tokens import ImageTokens
from plantain.stats.match import unit_maps

# Pages show shift maps no finer than this.
_POOLED = 16
# Float32 values of one temporary: 64 MB, so that a block of Klein is read a pair at a time.
MOST_VALUES = 2**24


@dataclass(frozen=True)
class DenseProgress:
    """State of a dense run: ``done`` of ``total`` forwards' worth of pairs, in the stage ``what``."""

    what: str
    done: int
    total: int
    result: DenseResult | None
    seconds_left: float


def truth_maps(
    prompts: PromptSet, grid: tuple[int, int], pictures: Pictures | None, bodies: Bodies | None
) -> tuple[np.ndarray, np.ndarray]:
    """``TRUTHS`` on a grid of tokens, float32 (T, P, rows, columns), and which of them are usable, (T, P).

    >>> maps, usable = truth_maps(prompts, (8, 8), pictures, bodies)

    Raises
    ------
    InputError
        Neither pictures nor bodies, either of other prompts or another grid, or fewer than three pairs whose two
        sides differ in any of them.
    """
    maps = np.zeros((len(TRUTHS), len(prompts), *grid), np.float32)
    if bodies is not None:
        if bodies.moved.shape != (len(prompts), *grid):
            raise InputError(
                f"The bodies are {bodies.moved.shape[0]} pairs on {bodies.moved.shape[1:]} tokens; this run has "
                f"{len(prompts)} pairs on {grid}. Make them for these prompts at this size."
            )
        maps[0] = np.where(bodies.usable[:, None, None], bodies.moved, 0)
        if not (np.isfinite(maps[0]).all() and maps[0].min() >= 0 and maps[0].max() <= 1.001):
            raise InputError("Where bodies moved must be shares from 0 to 1 in every token; make the bodies again.")
    if pictures is not None:
        if not pictures.complete or prompts_digest(pictures.prompts) != prompts_digest(prompts):
            raise InputError(
                f"The pictures are of {pictures.n_pairs} pairs of {pictures.prompts.name!r}; this run needs all "
                f"{len(prompts)} pairs of {prompts.name!r}, of the same texts. Draw them (python -m plantain draw)."
            )
        maps[1] = picture_difference(pictures.pixels, grid)
    usable = np.asarray(unit_maps(maps.reshape(*maps.shape[:2], -1)).any(axis=-1), dtype=bool)
    if not (usable.sum(axis=1) >= 3).any():
        raise InputError(
            "A dense run needs at least 3 pairs whose two sides are drawn differently; give pictures, or bodies, of "
            "pairs that are."
        )
    return maps, usable


def picture_difference(pixels: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Mean absolute difference of A and B in every token, 0 … 1: uint8 (P, 2, H, W, 3) -> (P, rows, columns)."""
    rows, columns = grid
    height, width = pixels.shape[2:4]
    if height % rows or width % columns:
        raise InputError(f"Pictures of {width} × {height} pixels do not divide into {columns} × {rows} tokens.")
    shape = rows, height // rows, columns, width // columns, 3
    # A pair at a time: in float32 all pictures of a large set are gigabytes.
    pairs = [np.abs(a.astype(np.float32) - b).reshape(shape).mean(axis=(1, 3, 4)) / 255 for a, b in pixels]
    return np.stack(pairs)


def run_dense(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig | None = None,
    pictures: Pictures | None = None,
    bodies: Bodies | None = None,
    figures: Figures | None = None,
    decoders: bool = True,
    resume: DenseResult | None = None,
) -> DenseResult:
    """Match every head's shift with every pair's map, and decode parts; ``iter_dense`` without the steps between.

    >>> dense = plantain.run_dense(pipe, prompts, plantain.ProbeConfig(seed=0), pictures, bodies)
    """
    result = None
    for progress in iter_dense(pipe, prompts, config, pictures, bodies, figures, decoders, resume):
        result = progress.result
    assert result is not None  # a prompt set holds at least one pair
    return result


def iter_dense(
    pipe: Any,
    prompts: PromptSet,
    config: ProbeConfig | None = None,
    pictures: Pictures | None = None,
    bodies: Bodies | None = None,
    figures: Figures | None = None,
    decoders: bool = True,
    resume: DenseResult | None = None,
    features: torch.Tensor | None = None,
    blocks: Sequence[int] | None = None,
    about: Mapping[str, Any] | None = None,
    hooks: type[ImageTokens] = ImageTokens,
) -> Iterator[DenseProgress]:
    """Read pair after pair token by token, yielding the result so far after every forward.

    >>> for progress in iter_dense(pipe, prompts, config, pictures, bodies):
    ...     print(progress.done, "of", progress.total, f"{progress.seconds_left:.0f} s left")

    The maps of all pairs are known before (``truth_maps``), so that a hook reduces its block at once and no activation
    is kept. One noise seed and one step; with guidance the prompt's pass alone is read. ``features``: text features of
    all prompts in order, (2 P, tokens, width), where the caller has them already. After the pairs, with bodies, come
    the decoders (``iter_decoded``), unless ``decoders`` is false; ``figures`` are what *code* needs. ``blocks``: those
    that are read; None: all. ``about``: kept with the result. ``hooks``: what hands values to the readers; a subclass
    of ``ImageTokens`` has something else read in the place of the model's heads.

    Raises
    ------
    InputError
        As ``iter_probe`` and ``truth_maps``; several steps or seeds; pictures of another noise or size, figures of
        another size; a ``resume`` of other maps or another run. While it runs: activations that are not finite.
    """
    config = config or ProbeConfig()
    plan = dense_plan(pipe, prompts, config, resume)
    maps, usable = planned_maps(plan, pictures, bodies, figures if decoders else None, resume)
    reader = Matches(plan.head_map, maps, usable, resume)
    noise, clock = noise_of(pipe, config.seed, plan.size), Clock()
    negative = encode(pipe, [""]) if config.guidance_scale > 1 else None
    run = None if resume is None else resume.run
    first = done = 0 if run is None else run.n_pairs
    said = {**(about or {}), "bodies": None if bodies is None else bodies.source}
    said |= {"pictures": None if pictures is None else pictures.digest, "decoders": decoders and bodies is not None}
    result = resume
    while done < len(prompts):
        batch = slice(done, min(done + max(1, plan.batch_size // 2), len(prompts)))
        some = plan.features(batch) if features is None else features[2 * batch.start : 2 * batch.stop]
        reader.start(batch)
        with hooks(pipe.transformer, reader, blocks):
            values, sigmas = forward(plan, some, plan.masks[batch], noise, negative)
        check_finite(values, prompts, batch)
        run, done = extended(plan, run, values[:, None], sigmas, clock.seconds), batch.stop
        result = reader.result(run, said)
        left = clock.seconds / (done - first) * (len(prompts) - done)
        with clock.paused():
            yield DenseProgress("place", done, len(prompts), result, left)
    assert result is not None  # a prompt set holds at least one pair
    if result.decoded or not decoders or bodies is None:
        yield DenseProgress("place", done, done, result, 0.0)
        return
    clock = Clock()
    for n, total, decoded in iter_decoded(plan, noise, bodies, figures, blocks=blocks, hooks=hooks):
        left = clock.seconds / n * (total - n) if n else 0.0
        if decoded or not total:  # the end; some prompts allow no decoder
            said |= {} if figures is None else {"code_level": CODE_LEVEL, "figures": figures.source}
            said |= {"decoders": bool(decoded), "decoder_seconds": round(clock.seconds, 3)}
            result = replace(result, decoded=decoded, about=said)
        with clock.paused():
            yield DenseProgress("decoders", n, total, result, left)


def dense_plan(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, resume: DenseResult | None = None, grafts: bool = False
) -> Plan:
    """The plan of a probe, for the one seed and the one step that a dense run, or one of ``grafts``, reads."""
    check_config(config)
    if resume is not None and resume.run.provenance.get("weights") == GRAFTED and not grafts:
        raise InputError("Cannot resume: the saved run is a grafted twin's. Go on with it as such (--grafted).")
    return make_plan(pipe, prompts, config, None if resume is None else resume.run)


def planned_maps(
    plan: Plan, pictures: Pictures | None, bodies: Bodies | None, figures: Figures | None, resume: DenseResult | None
) -> tuple[np.ndarray, np.ndarray]:
    """``truth_maps`` of a plan, once pictures, figures and a run to go on with are seen to belong to it."""
    if pictures is not None:
        drawn = pictures.config.seed, pictures.config.height, pictures.config.width
        if drawn != (plan.config.seed, *plan.size):
            raise InputError(
                f"The pictures are drawn from the noise of seed {drawn[0]}, {drawn[2]} × {drawn[1]} pixels; this run "
                f"has seed {plan.config.seed}, {plan.size[1]} × {plan.size[0]} pixels. Draw them from the run's noise."
            )
    if figures is not None and figures.expressive.shape[:3] != (len(plan.prompts), *plan.size):
        n, height, width = figures.expressive.shape[:3]
        raise InputError(
            f"The figures are of {n} pairs, {width} × {height} pixels; this run has {len(plan.prompts)} pairs, "
            f"{plan.size[1]} × {plan.size[0]} pixels. Give figures of these, or none."
        )
    maps, usable = truth_maps(plan.prompts, latent_grid(plan.pipe, *plan.size), pictures, bodies)
    if resume is not None and not np.array_equal(resume.maps, maps):
        raise InputError("Cannot resume: the saved run was matched with other maps. Give the same pictures and bodies.")
    return maps, usable


class Matches:
    """A ``Reader`` that turns blocks into matches with the pairs' maps; arrays as of ``DenseResult``."""

    def __init__(
        self, head_map: HeadMap, maps: np.ndarray, usable: np.ndarray, resume: DenseResult | None = None
    ) -> None:
        self._heads, self._maps, self._usable = head_map, maps, usable
        t, p, rows, columns = maps.shape
        self._grid = rows, columns
        unit = unit_maps(np.stack([maps, maps[..., ::-1]], axis=1).reshape(t, 2, p, -1))
        unit[~np.broadcast_to(usable[:, None], unit.shape[:3])] = 0
        self._unit = torch.as_tensor(unit.reshape(t * 2 * p, -1), dtype=torch.float32)
        # A column's mean is over the usable pairs' shifts, so a pair without a map is no other either.
        self._weight = 0.5 / np.maximum(usable.sum(axis=1) - 1, 1)  # (T,)
        self._matrix_truth = int(np.argmax(usable.sum(axis=1) >= 3))
        a, side = head_map.n_heads("head"), tuple(min(n, _POOLED) for n in self._grid)
        if resume is not None:
            names = ("own", "others", "matrix", "shift", "shift_scale")
            self._own, self._others, self._matrix, self._shift, self._scale = (
                getattr(resume, name).copy() for name in names
            )
            return
        self._own = np.zeros((t, len(READINGS), 2, head_map.n_runs + a, p), np.float32)
        self._others = np.zeros_like(self._own)
        self._matrix = np.zeros((a, p, p), np.float16)
        self._shift, self._scale = np.zeros((a, p, *side), np.float16), np.zeros((a, p), np.float32)

    def start(self, batch: slice) -> None:
        """The pairs of the forward that comes."""
        self._batch = np.arange(batch.start, batch.stop)

    def __call__(self, block: int, x: torch.Tensor) -> None:
        runs = self._heads.runs_of(block)
        n = self._heads.n_attention_heads
        heads = slice(self._heads.n_runs + block * n, self._heads.n_runs + (block + 1) * n)
        attention = slice(block * n, (block + 1) * n)
        rows = np.r_[runs, heads]
        per_pair = 2 * x.shape[1] * x.shape[2]
        step = max(1, MOST_VALUES // per_pair)
        if self._unit.device != x.device:
            self._unit = self._unit.to(x.device)
        for start in range(0, len(self._batch), step):
            pairs = self._batch[start : start + step]
            some = x[2 * start : 2 * (start + len(pairs))].float()
            vector, size = self._shifts(some)  # (k, N, R + n)
            for j, values in enumerate((vector, size)):
                self._add(j, rows, pairs, _matches(values, self._unit), attention)
            self._keep(attention, pairs, vector[..., -n:])

    def _shifts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(2 k, N, W) -> the shift of every run and attention head, by vector and by size: (k, N, R + n) each."""
        a, b = x[0::2], x[1::2]
        channels = self._heads.channels_per_head
        n_heads, n_attention = self._heads.n_attention_heads, self._heads.attention_runs

        def squares(values: torch.Tensor) -> torch.Tensor:
            runs = squares_of(values, channels)  # (k, N, R)
            return torch.cat([runs, runs[..., :n_attention].unflatten(-1, (n_heads, -1)).sum(-1)], dim=-1)

        size = (squares(b).sqrt() - squares(a).sqrt()).abs()
        return squares(b - a).sqrt(), size

    def _add(self, j: int, rows: np.ndarray, pairs: np.ndarray, r: np.ndarray, attention: slice) -> None:
        """One reading of one block in some pairs: r is (k, R + n, T · 2 · P)."""
        t, p = self._usable.shape
        r = r.reshape(len(pairs), -1, t, 2, p).transpose(2, 3, 1, 0, 4)  # (T, 2, R + n, k, P)
        for truth in range(t):
            known = self._usable[truth, pairs]
            mine = r[truth] * known[:, None]
            k = np.arange(len(pairs))
            own = mine[:, :, k, pairs].copy()
            mine[:, :, k, pairs] = 0
            self._own[truth, j][:, rows[:, None], pairs] = own
            total = np.zeros((2, len(rows), p), np.float32)
            total[:, :, pairs] += mine.sum(axis=-1)
            total += mine.sum(axis=2)
            self._others[truth, j][:, rows] += total * self._weight[truth]
        if j == 0:
            n = attention.stop - attention.start
            self._matrix[attention, pairs] = r[self._matrix_truth, 0, -n:]

    def _keep(self, attention: slice, pairs: np.ndarray, shift: torch.Tensor) -> None:
        """Shift maps of attention heads, (k, N, n), pooled for the page."""
        k, _, n = shift.shape
        maps = shift.permute(0, 2, 1).reshape(k, n, *self._grid)
        pooled = torch.nn.functional.adaptive_avg_pool2d(maps, self._shift.shape[2:])
        top = pooled.amax(dim=(2, 3))
        scaled = pooled / top.clamp(min=torch.finfo(torch.float32).tiny)[..., None, None]
        self._shift[attention, pairs] = scaled.transpose(0, 1).cpu().numpy()
        self._scale[attention, pairs] = top.T.cpu().numpy()

    def result(self, run: ProbeResult, about: dict[str, Any]) -> DenseResult:
        """The run so far. Copies: a forward that is interrupted half-way has changed the arrays, and is run again."""
        own, others, matrix = self._own.copy(), self._others.copy(), self._matrix.copy()
        shift, scale = self._shift.copy(), self._scale.copy()
        return DenseResult(run, self._maps, self._usable, own, others, matrix, shift, scale, about=about)


def _matches(shift: torch.Tensor, unit: torch.Tensor) -> np.ndarray:
    """Pearson r over tokens of shifts (k, N, H) with unit maps (M, N): (k, H, M)."""
    centred = shift - shift.mean(dim=1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    # A head that shifts everywhere alike has no map; what rounding leaves of it is none either.
    flat = length <= 1e-6 * shift.abs().amax(dim=1, keepdim=True) * shift.shape[1] ** 0.5
    unit_shift = torch.where(flat, 0.0, centred / torch.where(flat, 1.0, length))
    return torch.einsum("knh,mn->khm", unit_shift, unit).cpu().numpy()
