"""The dense run: what it matches, how it goes on, what it refuses, and that it finds a planted head."""

from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from made_runs import head_map, made_bodies, made_pictures, prompts_of
from pipelines import build_odd, draw, n_hooks

import plantain
from plantain import stats
from plantain.data.dense import READINGS, TRUTHS, load_dense
from plantain.data.figures import Figures
from plantain.data.prompts import PromptSet
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.posebox.truth import bodies_of
from plantain.probe.dense import Matches, iter_dense, run_dense, truth_maps
from plantain.probe.probe import run_probe
from plantain.probe.ranks import Ranks, part_folder, parts_folder
from plantain.probe.saving import saved_steps
from plantain.probe.shared import joined_dense
from plantain.stats.match import own_and_others, unit_maps

GRID, SIZE = (6, 4), (48, 32)  # tokens, pixels
ONE = ProbeConfig(batch_size=2, height=SIZE[0], width=SIZE[1])
# Float32 shifts of a few tenths beside activations of a few units, against float64.
FLOAT32 = 2e-4
# Another batch size takes other kernels: rounding that grew through the blocks, on differences of activations.
BATCH_ROUNDING = 5e-3


@pytest.fixture(scope="module")
def pipe():
    """As ``odd_pipeline``, of fewer blocks."""
    return build_odd(joint_blocks=2, single_blocks=3)


@pytest.fixture(scope="module")
def bodies():
    """Of five pairs, the third of which has no body on one side."""
    found = np.ones((5, 2), bool)
    found[2, 0] = False
    return made_bodies(5, GRID, found=found)


@pytest.fixture(scope="module")
def pictures(small_prompts):
    """Of the last pair both sides are alike."""
    return made_pictures(small_prompts, SIZE, alike=[4])


@pytest.fixture(scope="module")
def figures():
    """Figures of noise: two canonical ones a pair."""
    rng, b = np.random.default_rng(3), made_bodies(15, GRID, seed=3)
    pixels = rng.integers(256, size=(15, *SIZE, 3)).astype(np.uint8)
    parts, body = b.parts[:, 0], b.body[:, 0]
    first = [values[:10].reshape(5, 2, *values.shape[1:]) for values in (pixels, parts, body)]
    return Figures(*first, pixels[10:], parts[10:], body[10:], "made of numbers")


@pytest.fixture(scope="module")
def whole(pipe, small_prompts, pictures, bodies):
    return run_dense(pipe, small_prompts, ONE, pictures, bodies, decoders=False)


@pytest.fixture(scope="module")
def decoded(pipe, small_prompts, pictures, bodies, figures):
    return run_dense(pipe, small_prompts, ONE, pictures, bodies, figures)


ARRAYS = ("maps", "usable", "own", "others", "matrix", "shift", "shift_scale")


def assert_same(found, expected):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(found.run.mean_square, expected.run.mean_square)
    assert set(found.decoded) == set(expected.decoded)
    for name, values in expected.decoded.items():
        np.testing.assert_array_equal(found.decoded[name], values, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 7])
def test_processes_that_share_it_read_their_blocks_and_give_the_run_of_one(
    pipe, small_prompts, pictures, bodies, figures, decoded, tmp_path, size
):
    folder = tmp_path / "run"
    for ranks in Ranks(0, size).all():
        blocks = range(5)[ranks.share(5)]
        steps = iter_dense(pipe, small_prompts, ONE, pictures, bodies, figures, blocks=blocks)
        *_, last = steps
        last.result.save(part_folder(folder, ranks))
    found = joined_dense(folder, Ranks(0, size), 5)
    assert_same(found, decoded)
    assert_same(load_dense(folder), decoded)
    assert found.run.provenance["processes"] == size
    assert not parts_folder(folder).exists()


def test_a_part_that_is_not_done_is_told_and_kept(pipe, small_prompts, pictures, bodies, tmp_path):
    folder = tmp_path / "run"
    for ranks, n_steps in zip(Ranks(0, 2).all(), (6, 2), strict=True):
        steps = iter_dense(pipe, small_prompts, ONE, pictures, bodies, blocks=range(5)[ranks.share(5)], decoders=False)
        with closing(steps):
            *_, last = islice(steps, n_steps)
        last.result.save(part_folder(folder, ranks))
    with pytest.raises(InputError, match=r"3 of 5 blocks are read and saved in .*run\.parts; .* --resume"):
        joined_dense(folder, Ranks(0, 2), 5)
    assert load_dense(part_folder(folder, Ranks(1, 2))).n_pairs == last.result.n_pairs


# -- against stored activations --------------------------------------------------------------------


def stored(pipe, pair, n_image):
    """Image tokens that enter every block's output projection for A and B, in float64: [(2, N, W)]."""
    kept = []
    blocks = [block.attn.to_out[0] for block in pipe.transformer.transformer_blocks]
    blocks += [block.attn.to_out for block in pipe.transformer.single_transformer_blocks]
    hooks = [
        block.register_forward_pre_hook(lambda module, args: kept.append(args[0][:, -n_image:].double().numpy()))
        for block in blocks
    ]
    draw(pipe, [pair.a, pair.b], height=SIZE[0], width=SIZE[1])
    for hook in hooks:
        hook.remove()
    return kept


@pytest.fixture(scope="module")
def expected(pipe, small_prompts, whole):
    """Shifts of every run, then every attention head: by vector and by size, (2, H, P, N)."""
    heads, n = whole.head_map, GRID[0] * GRID[1]
    shifts = []
    for pair in small_prompts.pairs:
        blocks, rows = stored(pipe, pair, n), []
        for table in (heads.table("card"), heads.table("head")):
            for block, first, width in zip(
                *(table[k] for k in ("block_index", "first_channel", "n_channels")), strict=True
            ):
                a, b = blocks[block][..., first : first + width]
                rms_a, rms_b = (np.sqrt((side**2).mean(axis=-1)) for side in (a, b))
                rows.append([np.linalg.norm(b - a, axis=-1), np.abs(rms_b - rms_a)])
        shifts.append(rows)
    return np.array(shifts).transpose(2, 1, 0, 3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("truth", TRUTHS)
def test_matches_are_those_of_stored_activations(whole, expected, truth, reading, mirrored):
    t, j = TRUTHS.index(truth), READINGS.index(reading)
    maps = whole.maps[t, ..., ::-1] if mirrored else whole.maps[t]
    r = unit_maps(expected[j]) @ unit_maps(maps.reshape(len(maps), -1)).T  # (H, P, P)
    usable = {"body": [True, True, False, True, True], "drawn": [True, True, True, True, False]}[truth]
    np.testing.assert_array_equal(whole.usable[t], usable)
    own, others = own_and_others(r, np.array(usable))
    np.testing.assert_allclose(whole.own[t, j, int(mirrored)], own, atol=FLOAT32)
    np.testing.assert_allclose(whole.others[t, j, int(mirrored)], others, atol=FLOAT32)


def test_the_matrix_and_the_shift_maps_of_attention_heads_are_those_of_stored_activations(whole, expected):
    heads = slice(whole.head_map.n_runs, None)
    shift = expected[0, heads]
    r = unit_maps(shift) @ unit_maps(whole.maps[0].reshape(5, -1)).T
    r[..., 2] = 0  # no map
    half = np.finfo(np.float16).eps
    np.testing.assert_allclose(whole.matrix, r, atol=half)
    np.testing.assert_allclose(whole.shift_scale, shift.max(axis=-1), rtol=FLOAT32)
    found = whole.shift.astype(float) * whole.shift_scale[..., None, None]  # six rows are not pooled
    np.testing.assert_allclose(found, shift.reshape(found.shape), atol=half * shift.max())


def test_place_counts_usable_pairs_alone(whole):
    expected = whole.own[0, 0, 0].astype(float) - whole.others[0, 0, 0]
    n = whole.head_map.n_runs
    np.testing.assert_allclose(whole.place("card"), expected[:n, [0, 1, 3, 4]].T)
    np.testing.assert_allclose(whole.place("head"), expected[n:, [0, 1, 3, 4]].T)
    mirrored = whole.own[1, 1, 1].astype(float) - whole.others[1, 1, 1]
    plain = whole.own[1, 1, 0].astype(float) - whole.others[1, 1, 0]
    sided = whole.place("head", "drawn", "size", sided=True)
    np.testing.assert_allclose(sided, (plain - mirrored)[n:, :4].T)
    with pytest.raises(InputError, match="truths body, drawn; readings vector, size; got 'drawn', 'length'"):
        whole.place("head", "drawn", "length")


@pytest.mark.parametrize("size", [2, 10])
def test_the_mean_squares_beside_are_the_probes_own_to_the_bit(pipe, small_prompts, bodies, size):
    config = replace(ONE, batch_size=size)
    dense = run_dense(pipe, small_prompts, config, bodies=bodies, decoders=False)
    assert dense.run.mean_square.tobytes() == run_probe(pipe, small_prompts, config).mean_square.tobytes()


def test_batches_of_one_pair_and_of_five_agree(pipe, small_prompts, pictures, bodies, whole):
    together = run_dense(pipe, small_prompts, replace(ONE, batch_size=10), pictures, bodies, decoders=False)
    np.testing.assert_allclose(together.own, whole.own, atol=BATCH_ROUNDING)
    np.testing.assert_allclose(together.others, whole.others, atol=BATCH_ROUNDING)


def test_guidance_reads_the_prompts_pass_alone(pipe, small_prompts, bodies):
    plain, guided = (
        run_dense(pipe, small_prompts, replace(ONE, guidance_scale=scale), bodies=bodies, decoders=False)
        for scale in (1.0, 3.0)
    )
    np.testing.assert_array_equal(guided.own, plain.own)


def test_blocks_that_are_not_asked_for_are_not_read(pipe, small_prompts, bodies, whole):
    *_, last = iter_dense(pipe, small_prompts, ONE, bodies=bodies, decoders=False, blocks=[3])
    runs, n = whole.head_map.runs_of(3), whole.head_map.n_attention_heads
    rows = np.r_[runs, whole.head_map.n_runs + 3 * n : whole.head_map.n_runs + 4 * n]
    np.testing.assert_array_equal(last.result.own[0][:, :, rows], whole.own[0][:, :, rows])
    assert not np.delete(last.result.own, rows, axis=3).any()


# -- going on --------------------------------------------------------------------------------------


def test_a_resumed_run_equals_the_uninterrupted_one(pipe, small_prompts, pictures, bodies, decoded, figures, tmp_path):
    """Stopped among the pairs, and again among the decoders."""
    with closing(iter_dense(pipe, small_prompts, ONE, pictures, bodies, figures)) as steps:
        part = [next(steps).result for _ in range(2)][-1]
    part.save(tmp_path)
    saved = load_dense(tmp_path)
    assert (saved.n_pairs, saved.complete) == (2, False)
    with pytest.raises(InputError, match=r"Place needs all pairs.* 2 of 5 pairs are done"):
        saved.place()
    steps = iter_dense(pipe, small_prompts, ONE, pictures, bodies, figures, resume=saved)
    states = [next(steps) for _ in range(5)]
    steps.close()
    assert [(state.what, state.done) for state in states[:3]] == [("place", 3), ("place", 4), ("place", 5)]
    assert (states[-1].what, states[-1].total) == ("decoders", 16)  # four pairs that can be read, four times
    states[-1].result.save(tmp_path)
    matched = load_dense(tmp_path)
    assert (matched.complete, matched.decoded) == (True, {})
    last = run_dense(pipe, small_prompts, ONE, pictures, bodies, figures, resume=matched)
    assert_same(last, decoded)
    assert last.about["code_level"] == 0.5


def test_a_whole_run_is_not_run_again(pipe, small_prompts, pictures, bodies, figures, decoded, monkeypatch):
    monkeypatch.setattr(pipe.transformer, "forward", None)
    again = list(iter_dense(pipe, small_prompts, ONE, pictures, bodies, figures, resume=decoded))
    assert [(state.what, state.done) for state in again] == [("place", 5)]
    assert again[0].result is decoded


@contextmanager
def failing(pipe, forward, raises):
    """A single block that raises in a forward, or (None) makes values that are no numbers; blocks before it ran."""
    module, seen = pipe.transformer.single_transformer_blocks[1].attn.to_out, []

    def hook(module, args):
        seen.append(1)
        if len(seen) == forward:
            if raises is not None:
                raise raises
            return (args[0] * np.nan,)

    handle = module.register_forward_pre_hook(hook)
    yield
    handle.remove()


@pytest.mark.parametrize("raises", [KeyboardInterrupt(), RuntimeError("broken"), None])
def test_a_forward_that_ends_half_way_leaves_what_was_before_it(
    pipe, small_prompts, pictures, bodies, whole, tmp_path, raises
):
    """What blocks before it had added is not saved, so that going on adds it once; no hook stays."""
    steps = iter_dense(pipe, small_prompts, ONE, pictures, bodies, decoders=False)
    kind, said = (InputError, f"activations of pair {small_prompts.pairs[2].id!r} are not all finite")
    if raises is not None:
        kind, said = type(raises), None
    with failing(pipe, 3, raises), pytest.raises(kind, match=said):
        list(saved_steps(steps, None, tmp_path, "dense run"))
    assert n_hooks(pipe.transformer) == 0
    saved = load_dense(tmp_path)
    assert saved.n_pairs == 2
    assert not saved.own[..., 2:].any()
    assert_same(run_dense(pipe, small_prompts, ONE, pictures, bodies, decoders=False, resume=saved), whole)


def test_values_that_are_no_numbers_stop_the_decoders_too(pipe, small_prompts, bodies, whole):
    steps = iter_dense(pipe, small_prompts, ONE, bodies=bodies)
    with failing(pipe, 6, None), pytest.raises(InputError, match="that decoders read are not all finite"):
        list(steps)
    assert n_hooks(pipe.transformer) == 0


def test_a_run_that_succeeds_or_is_closed_early_leaves_no_hook(pipe, small_prompts, decoded, bodies):
    assert n_hooks(pipe.transformer) == 0
    steps = iter_dense(pipe, small_prompts, ONE, bodies=bodies)
    next(steps)
    steps.close()
    assert n_hooks(pipe.transformer) == 0


# -- refused before anything runs ------------------------------------------------------------------


@pytest.fixture
def nothing_runs(pipe, monkeypatch):
    for component in (pipe.transformer, pipe.text_encoder):
        monkeypatch.setattr(component, "forward", lambda *args, **kwargs: pytest.fail("a model ran"))
    return pipe


def refused(pipe, prompts, match, config=ONE, **given):
    with pytest.raises(InputError, match=match):
        run_dense(pipe, prompts, config, **given)


@pytest.mark.parametrize("settings", [{"n_seeds": 2}, {"num_inference_steps": 2}])
def test_several_seeds_or_steps_are_refused(nothing_runs, small_prompts, bodies, settings):
    refused(nothing_runs, small_prompts, "one noise seed and one step", replace(ONE, **settings), bodies=bodies)


def test_pictures_and_bodies_of_something_else_are_refused(nothing_runs, small_prompts, pictures, bodies, figures):
    other = PromptSet("other", prompts_of(5).pairs)
    said = r"of 5 pairs of 'other'; this run needs all 5 pairs of 'small', of the same texts"
    refused(nothing_runs, small_prompts, said, pictures=made_pictures(other, SIZE))
    refused(nothing_runs, small_prompts, "of 3 pairs of 'small'", pictures=pictures.first(3))
    refused(nothing_runs, small_prompts, "32 × 48 pixels; this run has", replace(ONE, height=96), pictures=pictures)
    refused(
        nothing_runs, small_prompts, "noise of seed 0.*this run has seed 1", replace(ONE, seed=1), pictures=pictures
    )
    refused(nothing_runs, small_prompts, r"5 pairs on \(4, 6\) tokens", bodies=made_bodies(5, (4, 6)))
    refused(nothing_runs, small_prompts, "4 pairs on", bodies=made_bodies(4, GRID))
    small = replace(figures, canonical=figures.canonical[:, :, :8], expressive=figures.expressive[:, :8])
    refused(nothing_runs, small_prompts, "figures are of 5 pairs, 32 × 8 pixels", bodies=bodies, figures=small)


def test_pictures_of_the_same_texts_may_have_other_tags(small_prompts, pictures):
    tagged = replace(
        small_prompts, pairs=tuple(replace(pair, tags={"subject": pair.id}) for pair in small_prompts.pairs)
    )
    assert truth_maps(tagged, GRID, pictures, None)[1].sum() == 4


def test_pairs_without_a_difference_are_refused(nothing_runs, small_prompts, bodies):
    refused(nothing_runs, small_prompts, "at least 3 pairs whose two sides are drawn differently")
    refused(
        nothing_runs,
        small_prompts,
        "at least 3 pairs",
        pictures=made_pictures(small_prompts, SIZE, alike=[0, 2, 3]),
        bodies=replace(bodies, moved=np.ones_like(bodies.moved)),
    )


def test_maps_that_are_no_shares_are_refused(small_prompts, bodies):
    for value in (np.nan, np.inf, -0.5, 2):
        moved = bodies.moved.copy()
        moved[2] = np.nan  # not found: its map does not count
        maps, usable = truth_maps(small_prompts, GRID, None, replace(bodies, moved=moved))
        assert np.isfinite(maps).all()
        assert not usable[0, 2]
        moved[1, 3, 3] = value
        with pytest.raises(InputError, match="shares from 0 to 1"):
            truth_maps(small_prompts, GRID, None, replace(bodies, moved=moved))


def test_going_on_with_another_run_is_refused(nothing_runs, small_prompts, pictures, bodies, whole):
    given = {"pictures": pictures, "bodies": bodies, "resume": whole}
    said = "Cannot resume: the saved run was matched with other maps"
    refused(nothing_runs, small_prompts, said, **(given | {"bodies": made_bodies(5, GRID, seed=9)}))
    refused(nothing_runs, small_prompts, said, **(given | {"pictures": None}))
    refused(nothing_runs, small_prompts, "Cannot resume: .* guidance_scale", replace(ONE, guidance_scale=2.0), **given)
    other = replace(whole, run=replace(whole.run, provenance=whole.run.provenance | {"weights": "grafted"}))
    refused(nothing_runs, small_prompts, "a grafted twin's", **(given | {"resume": other}))


# -- planted heads ---------------------------------------------------------------------------------

MOVING, SHIFTING = 1, 2  # heads of the block that is overwritten


@contextmanager
def overwritten(pipe, maps, width):
    """Two heads of the last block: one shifts by the map of the pair at hand on the B side, one everywhere alike."""
    rng, n = np.random.default_rng(0), maps[0].size
    base = torch.as_tensor(rng.normal(size=(n, width)), dtype=torch.float32)
    axis = torch.as_tensor(rng.normal(size=width), dtype=torch.float32)
    pairs = iter(torch.as_tensor(maps.reshape(len(maps), n), dtype=torch.float32))

    def hook(module, args):
        x = args[0].clone()
        moving, shifting = (slice(head * width, (head + 1) * width) for head in (MOVING, SHIFTING))
        x[:, -n:, moving] = x[:, -n:, shifting] = base
        x[1, -n:, moving] += next(pairs)[:, None] * axis
        x[1, -n:, shifting] += base / 2 + 0.05 * torch.as_tensor(rng.normal(size=base.shape), dtype=torch.float32)
        return (x, *args[1:])

    handle = pipe.transformer.single_transformer_blocks[-1].attn.to_out.register_forward_pre_hook(hook)
    yield
    handle.remove()


@pytest.fixture(scope="module")
def twelve():
    prompts = plantain.load_prompts("dense_pose")
    return replace(prompts, pairs=prompts.pairs[::2][:12])


@pytest.fixture(scope="module")
def planted(twelve):
    """(found with the pairs' own maps planted, found with another pair's) on a model that has learned nothing."""
    pipe, bodies = plantain.load_pipeline("posebox-random", device="cpu"), bodies_of(twelve, (8, 8))
    found = []
    for maps in (bodies.moved, np.roll(bodies.moved, 1, axis=0)):
        with overwritten(pipe, maps, pipe.transformer.config.attention_head_dim):
            found.append(run_dense(pipe, twelve, ProbeConfig(batch_size=2), bodies=bodies, decoders=False))
    return found


def test_a_head_that_shifts_where_the_body_moved_is_found_by_place_alone(planted):
    dense = planted[0]
    last = dense.head_map.n_heads("head") - dense.head_map.n_attention_heads
    for sided in (False, True):
        t = stats.paired_t(dense.place("head", sided=sided))
        assert t.argmax() == last + MOVING
        assert t[last + MOVING] > 5
        assert np.delete(t, last + MOVING).max() < 5


def test_a_head_that_shifts_everywhere_responds_and_has_no_place(planted):
    dense = planted[0]
    shifting = dense.head_map.n_heads("head") - dense.head_map.n_attention_heads + SHIFTING
    assert abs(stats.paired_t(dense.run.differences("head", stream="image")))[shifting] > 30
    assert stats.paired_t(dense.place("head"))[shifting] < 3


def test_the_map_of_another_pair_is_no_place(planted):
    moving = planted[1].head_map.n_heads("head") - planted[1].head_map.n_attention_heads + MOVING
    assert stats.paired_t(planted[1].place("head"))[moving] < 3


def matched(maps, drawn, step=3):
    """Own matches, (P,), of a head that shifts by ``drawn`` where the truth is ``maps``; ``step`` pairs a forward."""
    heads, rng, n = head_map(), np.random.default_rng(0), maps[0].size
    reader = Matches(heads, np.stack([maps, maps]), np.ones((2, len(maps)), bool))
    x = rng.normal(size=(2 * len(maps), n, heads.n_attention_heads * heads.head_width))
    width = heads.head_width
    x[1::2, :, :width] = x[0::2, :, :width]
    x[1::2, :, 0] += drawn.reshape(len(maps), n)
    for start in range(0, len(maps), step):
        reader.start(slice(start, min(start + step, len(maps))))
        reader(1, torch.as_tensor(x[2 * start : 2 * (start + step)], dtype=torch.float32))
    found = reader.result(run_of_heads(heads, len(maps)), {})
    return found.own[0, 0, :, heads.n_runs + heads.n_attention_heads], found


def run_of_heads(heads, n_pairs):
    from made_runs import run_of

    return run_of(np.ones((n_pairs, 2, 1, 1, heads.n_runs)), heads)


def test_a_map_that_lies_elsewhere_matches_less_the_further_it_is(twelve):
    maps = bodies_of(twelve, (16, 16)).moved
    own = [matched(maps, np.roll(maps, by, axis=2))[0][0].mean() for by in (0, 1, 2, 4)]
    assert own[0] == pytest.approx(1, abs=FLOAT32)
    assert own[0] > own[1] > own[2] > own[3]
    plain, mirrored = matched(maps, maps[..., ::-1])[0]
    np.testing.assert_allclose(mirrored, 1, atol=FLOAT32)
    assert plain.mean() < 0.9


def test_chunks_of_a_forward_change_nothing(twelve, monkeypatch):
    """A block of Klein is read a pair at a time."""
    maps = bodies_of(twelve, (8, 8)).moved
    whole = matched(maps, maps, step=12)[1]
    monkeypatch.setattr("plantain.probe.dense.MOST_VALUES", 1)
    chunks = matched(maps, maps, step=12)[1]
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(chunks, name), getattr(whole, name), atol=FLOAT32, err_msg=name)


def test_shifts_that_are_the_same_in_every_token_match_nothing(twelve):
    maps = bodies_of(twelve, (8, 8)).moved
    own, found = matched(maps, np.full_like(maps, 0.1))
    assert not own.any()
    assert np.isfinite(found.others).all()
