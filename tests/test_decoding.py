"""Decoders of parts on heads whose code is known: what must be found is, what must not is not."""

import numpy as np
import pytest
import torch

import plantain
from plantain import stats
from plantain.data.folds import folds_of
from plantain.data.heads import HeadMap
from plantain.posebox.truth import bodies_of, canonical_figures
from plantain.probe.decoding import PartsReading, Tokens, tokens_of
from plantain.stats.decode import outline_features

GRID = (16, 16)
HEADS = {"parts": 0, "position": 1, "figure share": 2, "outline": 3, "noise": 4}
WIDTH = 96
FOUND = 3.0


@pytest.fixture(scope="module")
def prompts():
    return plantain.load_prompts("dense_pose")


@pytest.fixture(scope="module")
def bodies(prompts):
    return bodies_of(prompts, GRID)


def values_of(parts, body, rng):
    """One picture's tokens as five heads would hold them: (1, N, 5 · WIDTH)."""
    n = body.size
    x = rng.normal(0, 0.02, size=(n, len(HEADS), WIDTH))
    place = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in GRID), indexing="ij"), axis=-1).reshape(n, 2)
    x[:, HEADS["parts"], :10] += parts.reshape(n, 10)
    waves = [f(k * np.pi * place) for k in (1, 2, 3) for f in (np.sin, np.cos)]
    x[:, HEADS["position"], : 2 * len(waves)] += np.concatenate(waves, axis=1)
    x[:, HEADS["figure share"], 0] += body.ravel()
    x[:, HEADS["outline"], :77] += outline_features(body[None])[0]
    return torch.as_tensor(x.reshape(1, n, -1))


@pytest.fixture(scope="module")
def scores(prompts, bodies):
    """Deformation: fitted and read on the expressive sides."""
    head_map, tokens = HeadMap(1, 0, len(HEADS), WIDTH, 0, 16), tokens_of(bodies, 1)
    folds, usable, grid = folds_of(prompts), bodies.found.all(axis=1), bodies.body[:, 1]
    reading = PartsReading(head_map, tokens, tokens, (grid, grid), folds, usable)
    rng = np.random.default_rng(0)
    values = [values_of(bodies.parts[p, 1], bodies.body[p, 1], rng) for p in range(len(prompts))]
    for p, x in enumerate(values):
        reading.adding(p, slice(0, 1))(0, x)
    reading.settle()
    for p, x in enumerate(values):
        reading.scoring(p, 0)(0, x)
    return reading.scores


def t_of(scores, name):
    return dict(zip(HEADS, stats.paired_t(scores[name].T.astype(float)), strict=True))


def test_a_head_that_codes_parts_is_found_in_both_forms(scores):
    for form in ("parts", "beyond"):
        assert t_of(scores, form)["parts"] > 10


@pytest.mark.parametrize("head", ["figure share", "outline", "noise"])
def test_what_knows_the_outline_alone_fails_beyond_it(scores, head):
    assert t_of(scores, "beyond")[head] < FOUND


def test_what_knows_the_outline_alone_knows_the_figure(scores):
    for head in ("figure share", "outline"):
        assert t_of(scores, "figure")[head] > 10
    assert t_of(scores, "figure")["noise"] < FOUND


def test_a_head_that_codes_places_falls_behind_the_canonical_layout(prompts, bodies):
    """Fitted on T-poses alone, where parts are places: home wins over own; a head of parts passes."""
    head_map, home, read = HeadMap(1, 0, len(HEADS), WIDTH, 0, 16), tokens_of(bodies, 0), tokens_of(bodies, 1)
    grids = bodies.body[:, 0], bodies.body[:, 1]
    reading = PartsReading(head_map, home, read, grids, folds_of(prompts), bodies.found.all(axis=1), home)
    rng = np.random.default_rng(0)
    for p in range(len(prompts)):
        reading.adding(p, slice(0, 1))(0, values_of(bodies.parts[p, 0], bodies.body[p, 0], rng))
    reading.settle()
    for p in range(len(prompts)):
        reading.scoring(p, 0)(0, values_of(bodies.parts[p, 1], bodies.body[p, 1], rng))
    t = t_of(reading.scores, "home")
    assert t["position"] < -FOUND
    assert t["parts"] > 5


def test_a_code_learned_on_canonical_figures_of_varied_place_is_found(prompts, bodies):
    head_map, v = HeadMap(1, 0, len(HEADS), WIDTH, 0, 16), 2
    drawn, read = canonical_figures(prompts, v, 0, GRID), tokens_of(bodies, 1)
    flat = drawn.parts.reshape(-1, *GRID, 10), drawn.body.reshape(-1, *GRID)
    reading = PartsReading(
        head_map, Tokens.of(*flat), read, (flat[1], bodies.body[:, 1]), folds_of(prompts), bodies.found.all(axis=1)
    )
    rng = np.random.default_rng(0)
    for p in range(len(prompts)):
        x = [values_of(drawn.parts[p, i], drawn.body[p, i], rng) for i in range(v)]
        reading.adding(p, slice(0, v))(0, torch.cat(x))
    reading.settle()
    for p in range(len(prompts)):
        reading.scoring(p, 0)(0, values_of(bodies.parts[p, 1], bodies.body[p, 1], rng))
    t = t_of(reading.scores, "beyond")
    assert t["parts"] > 10
    for head in ("figure share", "outline", "noise"):
        assert t[head] < FOUND


def test_folds_never_share_a_subject_or_a_pose(prompts):
    folds = folds_of(prompts)
    assert set(folds) == set(range(5))
    for name in ("articulation", "body_clothing"):
        found = folds_of(plantain.load_prompts(name))
        if found is None:
            continue
        pairs = plantain.load_prompts(name).pairs
        for i, a in enumerate(pairs):
            for j, b in enumerate(pairs):
                if found[i] != found[j]:
                    assert a.tags["subject"] != b.tags["subject"]
                    assert a.tags["pose"][1] != b.tags["pose"][1]


def test_a_set_with_one_pose_cannot_leave_it_out():
    assert folds_of(plantain.load_prompts("canonical")) is None
