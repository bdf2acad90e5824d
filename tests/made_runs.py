"""Runs made of numbers: what an analysis finds in them is known.

>>> run_of(mean_square, head_map())          # any values
>>> made_run(d)                              # heads that differ by d
>>> planted(prompts, on_heads({3: 0.2}))     # attention head 3 responds to the contrast of a prompt set
>>> dense_run(prompts, place={3: 0.2})       # a dense run where attention head 3 shifts where the body moved
>>> patch_study(prompts)                     # a patching study of noise
>>> dense_of(pipe, prompts)                  # such a run that counts as one of a pipeline of that architecture
"""

from dataclasses import replace

import numpy as np

from plantain.data.bodies import Bodies
from plantain.data.dense import READINGS, SCORES, TRUTHS, DenseResult
from plantain.data.heads import HeadMap
from plantain.data.interventions import RANKINGS, StudySize, carried_over, plan_interventions
from plantain.data.patching import DRAWN, MEASURES, PatchStudy
from plantain.data.pictures import DrawConfig, Pictures
from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.data.view import View

LEVELS = (1.0, 0.75, 0.5, 0.25)


def head_map(n_joint=2, n_single=3, n_attention_heads=2, head_width=32, mlp_width=48, **options):
    """A small architecture, of 29 card heads unless told otherwise."""
    return HeadMap(n_joint, n_single, n_attention_heads, head_width, mlp_width, **options)


SMALL = head_map(n_single=6, mlp_width=64)  # 56 card heads
# 4 attention heads of 2 runs a block; 8 + 24 runs in joint and single attention, 24 in the MLP.
PLANTED = head_map(n_joint=1, n_attention_heads=4, mlp_width=128)
KLEIN = head_map(n_joint=5, n_single=20, n_attention_heads=24, head_width=128, mlp_width=9216)  # 16,320 card heads


def prompts_of(n_pairs, tags=None, name="made"):
    tags = tags or [{}] * n_pairs
    pairs = (PromptPair(f"p{i:02d}", f"a {i} standing", f"a {i} leaping", tags[i]) for i in range(n_pairs))
    return PromptSet(name, tuple(pairs))


def run_of(mean_square, heads=SMALL, prompts=None, tokens=20, provenance=None, **config):
    """A run of given values, (P, 2, N, L, H) or with streams behind L; every other maker ends here.

    ``tokens``: real tokens of A and B, one number or (P, 2), beside 64 of the image and padding up to 96.
    """
    values = np.asarray(mean_square, dtype=np.float32)
    values = values if values.ndim == 6 else np.repeat(values[..., None, :], 3, axis=4)  # (P, 2, N, L, S, H)
    n_pairs, _, n_seeds, n_levels = values.shape[:4]
    tokens = np.broadcast_to(tokens, (n_pairs, 2))
    counts = np.stack([np.full_like(tokens, 64), tokens, 96 - tokens], axis=2).astype(np.int64)
    settings = ProbeConfig(**{"n_seeds": n_seeds, "num_inference_steps": n_levels} | config)
    return ProbeResult(values, counts, prompts or prompts_of(n_pairs), settings, heads, provenance or {})


def made_run(d, tags=None, tokens=20, model="made up", heads=SMALL, base=10.0):
    """A run whose card heads differ by ``d``, (P, N, L, H) or (P, H), from ``base``; ``tags``: one mapping a pair."""
    d = np.asarray(d, dtype=float)
    d = d[:, None, None] if d.ndim == 2 else d
    levels = LEVELS[: d.shape[2]]
    squares = np.stack([np.full(d.shape, base), base + d], axis=1) ** 2  # (P, 2, N, L, H)
    provenance = {"model": model, "realised_sigmas": list(levels)}
    return run_of(squares, heads, prompts_of(len(d), tags), tokens, provenance, noise_levels=levels)


def noisy_run(n_pairs, shift, heads=SMALL, noise=1.0, seed=0):
    """A run in which the RMS of head h goes from 100 to 100 + ``shift[h]``, with noise."""
    return made_run(
        shift + noise * np.random.default_rng(seed).normal(size=(n_pairs, heads.n_runs)), heads=heads, base=100.0
    )


def attention_runs(head):
    """The stored runs of an attention head of PLANTED, counted through all blocks."""
    first = PLANTED.table("head")["first_run"][head]
    return slice(first, first + 2)


def on_heads(sizes):
    """{attention head: size} as {run: size}, both runs of a head alike."""
    return {run: size for head, size in sizes.items() for run in range(*attention_runs(head).indices(PLANTED.n_runs))}


def planted(prompts, effects, model="planted", seed=0, noise=0.02, fingerprint="f", streams=(0, 1, 2), **config):
    """A whole run of PLANTED where the RMS of B exceeds A's by ``effects``: {run: size}; elsewhere only noise."""
    rng = np.random.default_rng([seed, sum(map(ord, prompts.name))])
    rms = 1 + noise * rng.standard_normal((len(prompts), 2, 1, 1, 3, PLANTED.n_runs))
    # Runs of one head share their noise, so that the head has the runs' t.
    for head in range(PLANTED.n_heads("head")):
        runs = attention_runs(head)
        rms[..., runs] = rms[..., runs.start : runs.start + 1]
    for run, size in effects.items():
        for stream in streams:
            rms[:, 1, :, :, stream, run] += size
    return run_of(rms**2, PLANTED, prompts, provenance={"model": model, "weights_fingerprint": fingerprint}, **config)


def made_bodies(n_pairs, grid, seed=0, found=None):
    """Bodies of numbers, some tokens of each picture: what moved is where the two sides of a pair differ."""
    rng, n_parts = np.random.default_rng(seed), 10
    body = (rng.random((n_pairs, 2, *grid)) * (rng.random((n_pairs, 2, *grid)) < 0.6)).astype(np.float32)
    parts = body[..., None] * np.eye(n_parts, dtype=np.float32)[rng.integers(n_parts, size=body.shape)]
    found = np.ones((n_pairs, 2), bool) if found is None else found
    points = np.full((n_pairs, 2, 17, 3), np.nan, np.float32)
    return Bodies(parts, body, np.abs(body[:, 0] - body[:, 1]), found, points, "made of numbers")


def made_pictures(prompts, size, seed=0, alike=()):
    """Pictures of random squares; the pairs of ``alike`` have the same picture on both sides.

    Squares, since packing noise without loss takes a second a picture.
    """
    coarse = np.random.default_rng(seed).integers(256, size=(len(prompts), 2, size[0] // 8, size[1] // 8, 3))
    pixels = coarse.astype(np.uint8).repeat(8, axis=2).repeat(8, axis=3)
    for pair in alike:
        pixels[pair, 1] = pixels[pair, 0]
    return Pictures.from_pixels(pixels, prompts, DrawConfig(0, 1, 1.0, *size), {"model": "made up"})


def dense_run(
    prompts, place=(), sided=(), scores=(), weights="trained", decoders=True, seed=0, noise=0.02, grid=(6, 4)
):
    """A whole dense run of PLANTED where attention heads exceed 0 by a size: {head: size}, else noise.

    ``place``: own − others (the head's runs alike); ``sided``: own − mirrored as well; ``scores``: a mapping of these
    by the name of a score. ``weights`` as a family calls them: "trained", "grafted", "untrained 0", "permuted 0".
    """
    kind, _, number = weights.partition(" ")
    known = {"weights": kind} | ({"weights_seed": int(number)} if number else {"graft_seed": 0})
    run = planted(prompts, {}, "planted" if kind in ("trained", "grafted") else f"planted-{kind}", seed)
    run.provenance.update({} if kind == "trained" else known)
    rng, n, p = np.random.default_rng([seed, *weights.encode()]), PLANTED.n_heads("head"), len(prompts)
    own = noise * rng.standard_normal((len(TRUTHS), len(READINGS), 2, PLANTED.n_runs + n, p))
    for sizes, mirrored in ((dict(place), (0, 1)), (dict(sided), (0,))):
        for head, size in sizes.items():
            for rows in (attention_runs(head), PLANTED.n_runs + head):
                own[:, :, mirrored, rows] += size
    maps = np.random.default_rng(0).random((len(TRUTHS), p, *grid)).astype(np.float32)
    decoded = {}
    if decoders:
        decoded = {name: noise * rng.standard_normal((n, p)) for name in SCORES}
        for name, sizes in dict(scores).items():
            for head, size in sizes.items():
                decoded[name][head] += size
        decoded |= {"pooled": rng.standard_normal((p, n, PLANTED.head_width)), "text": rng.standard_normal((p, 40))}
    return DenseResult(
        run,
        maps,
        np.ones((len(TRUTHS), p), bool),
        own.astype(np.float32),
        (noise * rng.standard_normal(own.shape)).astype(np.float32),
        rng.uniform(-1, 1, (n, p, p)).astype(np.float16),
        rng.random((n, p, *grid)).astype(np.float16),
        rng.random((n, p)).astype(np.float32),
        {name: values.astype(np.float32) for name, values in decoded.items()},
        {"bodies": "made of numbers", "code_level": 0.5, "figures": "made of numbers"},
    )


def dense_of(pipe, prompts, **more):
    """``dense_run`` under the fingerprint of a pipeline of PLANTED's architecture."""
    from plantain.model.identity import weights_fingerprint  # torch

    dense = dense_run(prompts, **more)
    known = dense.run.provenance | {"weights_fingerprint": weights_fingerprint(pipe)}
    return replace(dense, run=replace(dense.run, provenance=known))


def patch_study(prompts, pairs_done=None, seed=0, **more):
    """A study of PLANTED, planned on ``dense_run``'s rankings, whose values are noise; some rows are drawn."""
    from plantain.probe.cause import study_folds  # torch

    rng, p = np.random.default_rng([seed, 9]), len(prompts)
    folds, write = study_folds(prompts), rng.uniform(1, 2, PLANTED.n_heads("head"))
    scores = [{name: rng.standard_normal(len(write)) for name in RANKINGS} for _ in set(folds)]
    size = StudySize(k=(2, 4), n_matched=3, n_matched_back=1, n_random=2, n_within=2, steps=(1,))
    table = plan_interventions(PLANTED, scores, [write] * len(scores), "head", size)
    n_rows = [len(table.of_pair(int(fold))) for fold in folds[: p if pairs_done is None else pairs_done]]
    values = rng.standard_normal((sum(n_rows), len(MEASURES))).astype(np.float32)
    sizes = rng.uniform(1, 2, (2, p, PLANTED.n_runs + PLANTED.n_heads("head"))).astype(np.float32)
    velocities = rng.uniform(0, 1, (p, 4)).astype(np.float32)
    score = rng.standard_normal((len(RANKINGS), PLANTED.n_heads("head"))).astype(np.float32)
    drawn_rows = np.arange(0, len(values), 7, dtype=np.int32) if pairs_done is None else np.zeros(0, np.int32)
    drawn = rng.random((len(drawn_rows), len(DRAWN))).astype(np.float32)
    known = {"model": "planted", "weights_fingerprint": "f", "height": 32, "width": 32}
    return PatchStudy(
        table, values, sizes, folds, velocities, score, prompts, ProbeConfig(), PLANTED, known | more, View("head"),
        drawn, drawn_rows, {"truth": "made of numbers"},
    )  # fmt: skip


def moving_study(prompts, effects, scores, write, k=(2, 4), weights="trained", sets_from="", seed=0, noise=0.01):
    """A whole patching study of PLANTED where a set moves the sum of its attention heads' effects, (n_heads,).

    ``scores``: by ranking, the same in every fold; ``write``: ‖W_out Δx‖ of every head. With ``sets_from`` its sets are
    those of another contrast.
    """
    rng, n, p = np.random.default_rng(seed), PLANTED.n_heads("head"), len(prompts)
    folds = np.arange(p) % 5
    every = np.full((len(RANKINGS), n), np.nan, np.float32)
    for name, score in scores.items():
        every[RANKINGS.index(name)] = score
    if sets_from:
        table = carried_over(PLANTED, every, k)
    else:
        size = StudySize(k=k, n_matched=30, n_matched_back=2, n_random=4, n_within=20, steps=())
        table = plan_interventions(PLANTED, [scores] * 5, [np.asarray(write)] * 5, size=size)
    heads = PLANTED.runs_of_heads("head")
    inside = (table.runs.astype(int) @ heads.T) >= heads.sum(axis=1)  # (S, heads)
    moved = np.where(table.runs.all(axis=1), 1.0, inside @ np.asarray(effects)) * table.alpha
    rows = np.concatenate([table.of_pair(int(fold)) for fold in folds])
    y = moved[rows] + noise * rng.standard_normal(len(rows))
    values = np.stack([y, np.zeros_like(y), y, np.ones_like(y), noise * rng.standard_normal(len(y))], axis=1)
    sizes = np.ones((2, p, PLANTED.n_runs + n), np.float32)
    sizes[1, :, PLANTED.n_runs :] = write
    kind, _, number = weights.partition(" ")
    known = {"model": "planted", "weights": kind, "weights_fingerprint": "f"} | (
        {"weights_seed": int(number)} if number else {}
    )
    about = {"truth": "made of numbers"} | ({"sets_from": sets_from} if sets_from else {})
    velocities = np.ones((p, 4), np.float32)
    return PatchStudy(
        table, values.astype(np.float32), sizes, folds.astype(np.int64), velocities, every, prompts, ProbeConfig(),
        PLANTED, known, View("head"), about=about,
    )  # fmt: skip
