"""Twins that have learned nothing: shuffled values, and blocks drawn anew inside the trained model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_runs import made_bodies, planted
from pipelines import build_odd, draw, n_hooks

import plantain
from plantain import stats
from plantain.data.dense import BLOCKS_DONE, load_dense
from plantain.data.family import weights_of
from plantain.data.prompts import load_prompts
from plantain.data.settings import ProbeConfig
from plantain.data.study import load_controls
from plantain.errors import InputError
from plantain.model.identity import describe, weights_fingerprint
from plantain.model.untrained import grafted, permute, reinitialise
from plantain.probe.dense import run_dense
from plantain.probe.grafted import iter_grafted
from plantain.probe.ranks import Ranks, part_folder
from plantain.probe.shared import joined_dense
from plantain.probe.study import run_controls
from plantain.questions.carry_over import transfers
from plantain.questions.selectivity import compare
from plantain.report.study_tables import section

CONFIG = ProbeConfig(batch_size=10, height=32, width=48)
GRID = (4, 6)


@pytest.fixture(scope="module")
def pipe():
    return build_odd(joint_blocks=1, single_blocks=2)


# -- shuffled --------------------------------------------------------------------------------------


def tensors(pipe):
    return dict(pipe.transformer.named_parameters())


def test_shuffled_tensors_hold_the_same_values_in_another_order(pipe):
    before = weights_fingerprint(pipe)
    twin, again, other = (permute(pipe, seed) for seed in (3, 3, 4))
    assert set(tensors(twin)) == set(tensors(pipe))
    for name, own in tensors(pipe).items():
        values = tensors(twin)[name]
        assert torch.equal(values.flatten().sort().values, own.flatten().sort().values), name
        assert torch.equal(values, tensors(again)[name])
        if own.unique().numel() > 10:
            assert not torch.equal(values, own), name
            assert not torch.equal(values, tensors(other)[name]), name
    assert weights_fingerprint(pipe) == before
    assert twin.text_encoder is pipe.text_encoder
    assert twin.vae is pipe.vae


def test_shuffling_leaves_the_random_state_alone(pipe):
    before = torch.get_rng_state()
    permute(pipe)
    assert torch.equal(before, torch.get_rng_state())


def test_the_permuted_twin_has_two_names_and_says_what_it_is(posebox):
    by_option = plantain.load_pipeline("posebox", "cpu", untrained="permuted")
    by_name = plantain.load_pipeline("posebox-permuted", "cpu")
    wanted = {"model": "posebox-permuted", "revision": None, "weights": "permuted", "weights_seed": 0}
    assert wanted.items() <= describe(by_option).items()
    assert describe(by_option) == describe(by_name)
    assert describe(by_option)["weights_fingerprint"] != describe(posebox)["weights_fingerprint"]
    for name, own in tensors(posebox).items():
        assert torch.equal(tensors(by_name)[name].flatten().sort().values, own.flatten().sort().values), name


def test_twins_of_what_has_no_trained_weights_are_refused():
    for name in ("posebox-random", "posebox-untrained", "posebox-permuted"):
        with pytest.raises(InputError, match=f"{name} has random weights already"):
            plantain.load_pipeline(name, "cpu", untrained="permuted")
    with pytest.raises(InputError, match="untrained must be true, false or 'permuted'; got 'shuffled'"):
        plantain.load_pipeline("posebox", "cpu", untrained="shuffled")
    with pytest.raises(InputError, match="ask for one as well"):
        plantain.load_pipeline("posebox", "cpu", weights_seed=1)


# -- among the controls ----------------------------------------------------------------------------


@pytest.mark.slow
def test_controls_run_on_permuted_twins_beside_untrained_ones(pipe, small_prompts, tmp_path):
    tagged = tuple(replace(pair, tags={"subject": pair.id}) for pair in small_prompts.pairs)
    pose = replace(small_prompts, name="dense_pose", pairs=tagged)
    sets = [pose, replace(pose, name="setting")]
    steps = list(run_controls(pipe, sets, CONFIG, n_untrained=1, out=tmp_path, n_permuted=2))
    assert [step.number for step in steps if step.done == step.total] == list(range(1, 9))
    study = load_controls(tmp_path)
    assert study.weights == ["trained", "untrained 0", "permuted 0", "permuted 1"]
    model = study.model
    for number in (0, 1):
        run = study.runs[f"permuted {number}"]["setting"]
        assert run.model == f"{model}-permuted"
        assert (run.provenance["weights"], run.provenance["weights_seed"]) == ("permuted", number)
        assert run.provenance["weights_fingerprint"] == weights_fingerprint(permute(pipe, number))
    assert study.runs["untrained 0"]["setting"].provenance["weights_fingerprint"] == weights_fingerprint(
        reinitialise(pipe)
    )
    again = list(run_controls(pipe, sets, CONFIG, n_untrained=1, out=tmp_path, n_permuted=2))
    assert len(again) == 8  # nothing was missing
    for number in (-1, True, 0.5):
        with pytest.raises(InputError, match="n_permuted must be a whole number from 0"):
            next(run_controls(pipe, sets, CONFIG, out=tmp_path, n_permuted=number))


def test_permuted_twins_are_named_where_there_are_any_and_disturb_no_other(tmp_path):
    for name in ("dense_pose", "setting"):
        prompts = load_prompts(name)
        for seed, kind in enumerate(("", "-untrained", "-permuted")):
            planted(prompts, {}, f"planted{kind}", seed, fingerprint=kind).save(tmp_path / f"planted{kind}" / name)
    plain = [tmp_path / "planted", tmp_path / "planted-untrained"]
    few, all_three = (load_controls(given) for given in (plain, tmp_path))
    assert few.weights == ["trained", "untrained 0"]
    assert all_three.weights == ["trained", "untrained 0", "permuted 0"]
    small, large = (compare(study, n_flips=50, n_splits=5) for study in (few, all_three))
    assert "permuted" not in section(small).text
    for table in section(large).tables:
        if "untrained 0" in str(table.cells[0]):
            assert "permuted 0" in str(table.cells[0])
    for key, count in small.counts.items():
        np.testing.assert_array_equal(large.counts[key].t, count.t)
    assert transfers(all_three).gain("setting") == transfers(few).gain("setting")


# -- grafted ---------------------------------------------------------------------------------------


def outputs(pipe, prompts, block=None, donor=None):
    """What leaves each block, and the block's own parameters meanwhile."""
    blocks = [*pipe.transformer.transformer_blocks, *pipe.transformer.single_transformer_blocks]
    kept = []

    def keep(module, args, out):
        kept.append(out[-1] if isinstance(out, tuple) else out)

    if block is None:
        hooks = [module.register_forward_hook(keep) for module in blocks]
        draw(pipe, prompts, height=32, width=48)
    else:
        with grafted(pipe, donor, block):
            blocks = [*pipe.transformer.transformer_blocks, *pipe.transformer.single_transformer_blocks]
            hooks = [module.register_forward_hook(keep) for module in blocks]
            draw(pipe, prompts, height=32, width=48)
    for hook in hooks:
        hook.remove()
    return kept


@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_graft_changes_its_block_and_what_comes_after_alone(pipe, small_prompts, block):
    donor = reinitialise(pipe, seed=5).transformer
    prompts = small_prompts.prompts[:2]
    plain, changed = outputs(pipe, prompts), outputs(pipe, prompts, block, donor)
    assert [torch.equal(a, b) for a, b in zip(plain, changed, strict=True)] == [i < block for i in range(3)]
    for after in outputs(pipe, prompts), plain:
        assert all(torch.equal(a, b) for a, b in zip(after, plain, strict=True))


def test_a_block_has_its_own_weights_again_also_after_an_error(pipe):
    donor, before = reinitialise(pipe, seed=5).transformer, weights_fingerprint(pipe)
    for block, name in ((0, "transformer_blocks.0."), (2, "single_transformer_blocks.1.")):
        with pytest.raises(KeyboardInterrupt), grafted(pipe, donor, block):  # noqa: PT012
            for own, values in pipe.transformer.named_parameters():
                given = dict(donor.named_parameters())[own]
                assert (values is given) == own.startswith(name), own
            raise KeyboardInterrupt
        assert weights_fingerprint(pipe) == before


@pytest.fixture(scope="module")
def bodies():
    return made_bodies(5, GRID)


@pytest.fixture(scope="module")
def steps(pipe, small_prompts, bodies):
    return list(iter_grafted(pipe, small_prompts, CONFIG, bodies=bodies, weights_seed=5))


def test_a_grafted_run_is_made_of_grafts_by_hand(pipe, small_prompts, bodies, steps):
    whole = steps[-1].result
    heads, n, donor = whole.head_map, whole.head_map.n_attention_heads, reinitialise(pipe, seed=5).transformer
    for block in (0, 2):
        with grafted(pipe, donor, block):
            part = run_dense(pipe, small_prompts, CONFIG, bodies=bodies)
        runs, attention = heads.runs_of(block), slice(block * n, (block + 1) * n)
        rows = np.r_[runs, heads.n_runs + block * n : heads.n_runs + (block + 1) * n]
        for name in ("own", "others"):
            np.testing.assert_array_equal(getattr(whole, name)[:, :, :, rows], getattr(part, name)[:, :, :, rows])
        for name in ("matrix", "shift", "shift_scale"):
            np.testing.assert_array_equal(getattr(whole, name)[attention], getattr(part, name)[attention])
        np.testing.assert_array_equal(whole.run.mean_square[..., runs], part.run.mean_square[..., runs])
        for name in ("figure", "deformation", "deformation_beyond"):
            np.testing.assert_array_equal(whole.decoded[name][attention], part.decoded[name][attention])
        np.testing.assert_array_equal(whole.decoded["pooled"][:, attention], part.decoded["pooled"][:, attention])
    assert n_hooks(pipe.transformer) == 0
    assert np.isfinite(stats.paired_t(whole.place("card"))).all()


def test_a_grafted_run_says_what_it_is_and_is_whole_with_its_last_block(pipe, steps):
    assert [(step.what, step.done, step.total) for step in steps] == [("blocks", done, 3) for done in (1, 2, 3)]
    assert [step.result.complete for step in steps] == [False, False, True]
    whole = steps[-1].result
    assert weights_of(whole) == "grafted"
    assert not whole.run.untrained
    assert whole.run.provenance["graft_seed"] == 5
    assert whole.run.provenance["weights_fingerprint"] == weights_fingerprint(pipe)


def test_a_graft_goes_on_with_the_next_block(pipe, small_prompts, bodies, steps, tmp_path):
    steps[0].result.save(tmp_path)
    saved = load_dense(tmp_path)
    rest = list(iter_grafted(pipe, small_prompts, CONFIG, bodies=bodies, resume=saved, weights_seed=5))
    assert [step.done for step in rest] == [2, 3]
    for name in ("own", "others", "matrix", "shift", "shift_scale"):
        np.testing.assert_array_equal(getattr(rest[-1].result, name), getattr(steps[-1].result, name))
    for name, values in steps[-1].result.decoded.items():
        np.testing.assert_array_equal(rest[-1].result.decoded[name], values)
    (again,) = iter_grafted(pipe, small_prompts, CONFIG, bodies=bodies, resume=rest[-1].result, weights_seed=5)
    assert again.result is rest[-1].result


def test_processes_that_share_a_graft_draw_their_blocks_and_give_that_of_one(
    pipe, small_prompts, bodies, steps, tmp_path
):
    folder, given = tmp_path / "run", {"bodies": bodies, "weights_seed": 5}
    for ranks in Ranks(0, 2).all():
        part, blocks = part_folder(folder, ranks), range(3)[ranks.share(3)]
        first = next(iter_grafted(pipe, small_prompts, CONFIG, blocks=blocks, **given)).result
        first.save(part)
        *_, last = iter_grafted(pipe, small_prompts, CONFIG, blocks=blocks, resume=load_dense(part), **given)
        last.result.save(part)
    found, whole = joined_dense(folder, Ranks(0, 2), 3), steps[-1].result
    assert found.complete
    for name in ("own", "others", "matrix", "shift", "shift_scale"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    for name, values in whole.decoded.items():
        np.testing.assert_array_equal(found.decoded[name], values)


def test_a_graft_of_something_else_is_not_gone_on_with(pipe, small_prompts, bodies, steps):
    saved = steps[0].result
    given = {"config": CONFIG, "bodies": bodies, "resume": saved, "weights_seed": 5}

    def refused(match, prompts=small_prompts, on=pipe, **changes):
        with pytest.raises(InputError, match=match):
            next(iter_grafted(on, prompts, **(given | changes)))

    refused("no graft of these weights with this seed", weights_seed=6)
    refused("no graft of these weights", on=build_odd(1, joint_blocks=1, single_blocks=2))
    refused("no graft of these weights", resume=run_dense(pipe, small_prompts, CONFIG, bodies=bodies, decoders=False))
    refused("Cannot resume: .* the prompts", replace(small_prompts, pairs=small_prompts.pairs[::-1]))
    refused("Cannot resume: .* guidance_scale", config=replace(CONFIG, guidance_scale=2.0))
    refused("matched with other maps", bodies=made_bodies(5, GRID, seed=1))
    refused("tells of 'all' of 3 blocks", resume=replace(saved, about={BLOCKS_DONE: "all"}))
    refused("has the decoders deformation, .*; give the same bodies and figures", decoders=False)
