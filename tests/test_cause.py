"""The patching study: planted heads that carry a difference alone or by twos, its measures, and how it goes on."""

from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_runs import PLANTED, dense_of, made_pictures, prompts_of
from pipelines import build_planted, draw, n_hooks

import plantain
from plantain.data.interventions import DIRECTIONS, Interventions, StudySize, single_heads
from plantain.data.patching import MEASURES, load_study
from plantain.data.prompts import PromptPair, PromptSet
from plantain.errors import InputError
from plantain.model.untrained import grafted, reinitialise
from plantain.probe.cause import estimate, iter_patching, n_forwards, run_patching, start_patching, study_folds
from plantain.probe.grafted_cause import iter_grafted_patching
from plantain.probe.patching import Patch, Patching
from plantain.probe.probe import make_plan
from plantain.probe.ranks import Ranks, part_folder, parts_folder
from plantain.probe.shared import joined_study, shared_study
from plantain.probe.sizes import shift_sizes

PROMPTS = prompts_of(8)
SIZE = StudySize(k=(2,), n_matched=3, n_matched_back=1, n_random=2, n_within=2, alphas=(0.5,), steps=())
# Velocities of about one whose differences within a pair are some hundredths, in float32.
ROUNDING = 2e-4
# Where all but one head write a millionth of what they did.
PLANTED_ROUNDING = 2e-3
N_IMAGE, PIXELS = 16, (32, 32)


@pytest.fixture(scope="module")
def pipe():
    return build_planted()


@pytest.fixture(scope="module")
def dense(pipe):
    return dense_of(pipe, PROMPTS, place={3: 0.2})


@pytest.fixture(scope="module")
def pictures():
    return made_pictures(PROMPTS, PIXELS).pixels


@pytest.fixture(scope="module")
def study(pipe, dense, pictures):
    return run_patching(pipe, dense, pictures, size=SIZE)


def holds(table, head):
    """Whether each set holds an attention head of PLANTED."""
    return table.runs[:, PLANTED.runs_of_heads("head")[head]].all(axis=1)


def columns(head):
    """Where an attention head's channels are: (block, slice of its projection's input)."""
    table = PLANTED.table("head")
    first, n = table["first_channel"][head], table["n_channels"][head]
    return int(table["block_index"][head]), slice(first, first + n)


def image_projections(pipe):
    joint = [block.attn.to_out[0] for block in pipe.transformer.transformer_blocks]
    return [*joint, *(block.attn.to_out for block in pipe.transformer.single_transformer_blocks)]


def rewritten(pipe, head, own, rest):
    """The columns of a head scaled by one number, those of all others and the text's projection by another."""
    block, inside = columns(head)
    with torch.no_grad():
        for number, module in enumerate(image_projections(pipe)):
            scale = torch.full((module.in_features,), float(rest))
            if number == block:
                scale[inside] = own
            module.weight.mul_(scale)
        for joint in pipe.transformer.transformer_blocks:
            joint.attn.to_add_out.weight.mul_(rest)


# -- planted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", [2, 9])
def test_sets_that_hold_the_one_head_that_writes_carry_all_and_others_nothing(carrier):
    """In a joint and in a single block; every head but it writes a millionth, so that each still has a size."""
    pipe = build_planted()
    rewritten(pipe, carrier, 10, 1e-6)
    found = run_patching(pipe, dense_of(pipe, PROMPTS, scores={"code_beyond": {carrier: 0.2}}), size=SIZE)
    table, every = found.table, np.arange(len(found.table))
    y, damage = found.of(every, "y"), found.of(every, "damage")
    made = np.isfinite(y)
    image = np.isin(table.tokens, [0, 3])  # "image", "all"
    partner = table.donor == 0
    all_of_it = holds(table, carrier) & image & partner & (table.alpha == 1)
    assert np.abs(y - 1)[made & all_of_it[:, None]].max() < PLANTED_ROUNDING
    assert np.abs(damage)[made & all_of_it[:, None]].max() < PLANTED_ROUNDING
    nothing = ~(holds(table, carrier) & image)
    assert np.abs(y)[made & nothing[:, None]].max() < PLANTED_ROUNDING
    half = holds(table, carrier) & (table.alpha == 0.5)
    assert ((y > 0.1) & (y < 0.9))[made & half[:, None]].all()
    for direction in range(len(DIRECTIONS)):
        for some in (all_of_it, nothing):
            assert (some & (table.direction == direction)).sum() > 10
    chosen = table.where(role="chosen", ranking="code", k=2)
    assert holds(table, carrier)[chosen].all()
    assert not holds(table, carrier)[table.where(role="within low", ranking="code")].any()


FIRST, SECOND = 0, 1


@contextmanager
def either_suffices(pipe):
    """Two heads of the joint block that hold the same, read by an *or*, which no linear projection could be.

    All other heads write nothing. Where the projection would add the two, it writes for each row the one of them that
    holds what some pair's B holds there, known from a bare forward, and else the first.
    """
    attn = pipe.transformer.transformer_blocks[0].attn
    first, second = (columns(head)[1] for head in (FIRST, SECOND))
    with torch.no_grad():
        for module in (attn.to_q, attn.to_k, attn.to_v, attn.add_q_proj, attn.add_k_proj, attn.add_v_proj):
            module.weight[second] = module.weight[first]
    rewritten(pipe, FIRST, 10, 0)
    kept = []
    handle = attn.to_out[0].register_forward_pre_hook(lambda module, args: kept.append(args[0][..., first].clone()))
    for pair in PROMPTS.pairs:
        draw(pipe, [pair.a, pair.b])
    handle.remove()
    known = torch.cat(kept).flatten(1)  # A and B of each pair in turn

    def read(module, args, output):
        held = [args[0][..., of] for of in (first, second)]
        of_b = [torch.cdist(x.flatten(1), known).argmin(dim=1) % 2 == 1 for x in held]
        chosen = torch.where((~of_b[0] & of_b[1])[:, None, None], held[1], held[0])
        return chosen @ module.weight[:, first].T

    handle = attn.to_out[0].register_forward_hook(read)
    yield
    handle.remove()


def test_of_two_heads_either_of_which_suffices_each_is_sufficient_and_none_necessary():
    pipe = build_planted()
    one = PLANTED.runs_of_heads("head")
    table = single_heads(PLANTED)
    table = table.rows(np.flatnonzero(np.isin(table.draw, [FIRST, SECOND, 2, 3])))
    runs = table.runs.copy()
    runs[table.draw == 3] = one[FIRST] | one[SECOND]  # of one head nothing is asked, to ask for both
    table = replace(table, runs=runs)
    with either_suffices(pipe):
        found = run_patching(pipe, dense_of(pipe, PROMPTS), table=table)
    y = found.of(np.arange(len(table)), "y").reshape(2, 4, -1)  # directions, sets
    expected = {"sufficiency": [1, 1, 0, 1], "necessity": [0, 0, 0, 1]}
    for direction, values in zip(DIRECTIONS, y, strict=True):
        assert np.abs(values - np.array(expected[direction])[:, None]).max() < PLANTED_ROUNDING, direction


# -- measures --------------------------------------------------------------------------------------


def test_a_study_has_a_row_for_every_intervention_of_every_pairs_fold(study):
    assert study.complete
    assert len(study.values) == study.starts[-1] == n_forwards(study.table, study.folds)
    assert study.values.shape[1] == len(MEASURES)
    assert np.isfinite(study.values).all()
    assert study.sizes.shape == (2, 8, PLANTED.n_runs + PLANTED.n_heads("head"))
    assert (study.about["truth"], study.about["size"]["k"]) == ("pictures", [2])
    assert set(study.table.fold) == {-1, *study.folds}


def test_values_of_interventions_are_nan_in_pairs_of_another_fold(study):
    numbers = study.table.where(role="chosen", ranking="t")
    y = study.of(numbers, "y")
    assert y.shape == (len(numbers), 8)
    here = study.table.fold[numbers][:, None] == study.folds
    np.testing.assert_array_equal(np.isfinite(y), here)
    assert np.isfinite(study.of(study.table.where(role="single"), "y")).all()
    for pair in (0, 5):
        rows = study.table.of_pair(int(study.folds[pair]))
        part = study.values[study.starts[pair] : study.starts[pair + 1]]
        for j, name in enumerate(MEASURES):
            np.testing.assert_array_equal(study.of(rows, name)[:, pair], part[:, j])
    assert np.isnan(study.of(numbers, "turned")).all()  # nothing is drawn
    with pytest.raises(InputError, match=r"Measures are y, damage, .*; got 'mood'"):
        study.of(numbers, "mood")


def test_everything_patched_moves_all_of_the_way_without_damage(study):
    for tokens in ("image", "all"):
        for direction in DIRECTIONS:
            every = study.table.where(role="kind", draw=3, tokens=tokens, direction=direction)
            assert np.abs(study.of(every, "y") - 1).max() < ROUNDING
            assert np.abs(study.of(every, "damage")).max() < ROUNDING


def test_the_share_of_the_truth_has_one_sign_in_both_directions(study):
    """Everything patched covers what v_B − v_A covers, into A as into B."""
    for direction in DIRECTIONS:
        every = study.table.where(role="kind", draw=3, tokens="image", direction=direction)
        for measure, column in (("y_truth", 3), ("cos_truth", 2)):
            np.testing.assert_allclose(study.of(every, measure)[0], study.velocities[:, column], atol=ROUNDING)


def test_one_set_that_is_asked_for_several_times_runs_once(pipe, dense):
    table = single_heads(PLANTED).rows(np.array([0, 5, 0, 16, 0]))
    table = replace(table, ranking=np.array([0, 1, 2, 3, 4], np.int8))
    rows, last = [], image_projections(pipe)[-1]
    handle = last.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    y = run_patching(pipe, dense, table=table).of(np.arange(5), "y")
    handle.remove()
    assert rows[-1] == 2 + 3  # A and B, and three that differ: head 0, head 5, head 0 the other way
    assert (y[0] == y[2]).all()
    assert (y[0] == y[4]).all()
    assert (y[0] != y[3]).any()


def plain_velocities(pipe, texts, patches=(), mask=None, forward=0, **options):
    """The transformer's output in one of its forwards, float64 (B, N · C), by plain patching."""
    kept = []
    handle = pipe.transformer.register_forward_hook(lambda module, args, output: kept.append(output[0].double()))
    with Patching(pipe.transformer, list(patches), mask, [forward]):
        draw(pipe, texts, **options)
    handle.remove()
    return kept[forward].flatten(1).numpy()


def true_difference(pipe, pair):
    """Picture A less picture B in the autoencoder's latents, by its own parts: patches of 2 × 2, standardised."""
    x = torch.as_tensor(pair.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        mode = pipe.vae.encode(x).latent_dist.mode().double().numpy()  # (2, C, 8, 8)
    n, c, height, width = mode.shape
    cells = mode.reshape(n, c, height // 2, 2, width // 2, 2).transpose(0, 2, 4, 1, 3, 5).reshape(n, -1, 4 * c)
    bn = pipe.vae.bn
    mean, sd = (
        bn.running_mean.double().numpy(),
        np.sqrt(bn.running_var.double().numpy() + pipe.vae.config.batch_norm_eps),
    )
    cells = (cells - mean) / sd
    return (cells[0] - cells[1]).reshape(-1)


def measured(own, patched, direction, truths, pair):
    """``MEASURES`` by their words: own (2, M) velocities of A and B, truths (P, M)."""
    change, whole = patched - own[direction], own[1 - direction] - own[direction]
    cosine = change @ whole / np.linalg.norm(change) / np.linalg.norm(whole)
    signed = change if direction == 0 else -change
    shares = truths @ signed / (truths**2).sum(axis=1)
    cos_truth = truths[pair] @ signed / np.linalg.norm(truths[pair]) / np.linalg.norm(signed)
    others = np.delete(shares, pair).mean()
    return [change @ whole / (whole @ whole), 1 - cosine**2, shares[pair], cos_truth, others]


def test_measures_are_those_of_plain_patching_in_numpy(pipe, study, pictures):
    from plantain.model.text import text_mask

    table, pair = study.table, 3
    truths = np.stack([true_difference(pipe, one) for one in pictures])
    texts = [PROMPTS.pairs[pair].a, PROMPTS.pairs[pair].b]
    order = [pair, *(p for p in range(8) if p != pair)]
    all_texts = [text for p in order for text in (PROMPTS.pairs[p].a, PROMPTS.pairs[p].b)]
    numbers = table.of_pair(int(study.folds[pair]))
    some = [*np.random.default_rng(0).choice(numbers, 25, replace=False)]
    some += [n for n in numbers if table.donor[n]][:3]
    some += [n for n in table.where(role="kind") if table.tokens[n] in (1, 2)][:8]
    for number in some:
        direction, others = int(table.direction[number]), bool(table.donor[number])
        donors = range(3 - direction, 16, 2) if others else [1 - direction]
        given = all_texts if others else texts
        tokens = ("image", "text", "padding", "all")[table.tokens[number]]
        patch = Patch(direction, table.runs[number], tuple(donors), float(table.alpha[number]), tokens=tokens)
        own = plain_velocities(pipe, given)
        patched = plain_velocities(pipe, given, [patch], text_mask(pipe, given))[direction]
        if np.abs(patched - own[direction]).max() < 1e-5:
            continue  # of rounding alone there is no direction
        expected = measured(own, patched, direction, truths, pair)
        found = [study.of(np.array([number]), name)[0, pair] for name in MEASURES]
        np.testing.assert_allclose(found, expected, atol=10 * ROUNDING, err_msg=str(patch))
    own = plain_velocities(pipe, texts)
    length, true_length = np.linalg.norm(own[1] - own[0]), np.linalg.norm(truths[pair])
    product = (own[1] - own[0]) @ truths[pair]
    expected = [length, true_length, product / length / true_length, product / true_length**2]
    np.testing.assert_allclose(study.velocities[pair], expected, rtol=1e-3, atol=ROUNDING)


def test_a_later_step_is_that_of_a_drawing_with_its_guidance(pictures):
    """Step 2 of the twelve of an embedded model: the prompt's pass, from each side's own latents, on a straight way
    noise - picture as at the first."""
    pipe = build_planted()
    pipe.plantain_source = {"model": "posebox", "revision": None}
    table = single_heads(PLANTED)
    table = table.rows(table.where(role="single", draw=1))
    runs = np.stack([PLANTED.runs_of_heads("head")[[1, 6, 10]].any(axis=0)] * 2)
    table = replace(table, runs=runs, step=np.array([2, 2], np.int16))
    found = run_patching(pipe, dense_of(pipe, PROMPTS), pictures, table=table)
    assert (found.about["drawing_steps"], found.about["drawing_guidance"]) == (12, 1.5)
    truths = np.stack([true_difference(pipe, one) for one in pictures])
    given = {"num_inference_steps": 12, "guidance_scale": 1.5, "forward": 4}
    for pair in (0, 7):
        texts = [PROMPTS.pairs[pair].a, PROMPTS.pairs[pair].b]
        own = plain_velocities(pipe, texts, **given)
        for direction in (0, 1):
            patch = Patch(direction, table.runs[0], (1 - direction,))
            patched = plain_velocities(pipe, texts, [patch], **given)[direction]
            expected = measured(own, patched, direction, truths, pair)
            values = [found.of(np.array([direction]), name)[0, pair] for name in MEASURES]
            np.testing.assert_allclose(values, expected, atol=10 * ROUNDING)
    assert not found.velocities.any()  # of the first step nothing was asked


def test_sizes_are_those_of_stored_activations(pipe, dense, study):
    plan = make_plan(pipe, PROMPTS, dense.run.config, None)
    sizes = shift_sizes(plan)
    np.testing.assert_allclose(study.sizes, sizes, rtol=1e-5)
    pair, kept = 2, []
    hooks = [
        module.register_forward_pre_hook(lambda _, args: kept.append(args[0][:, -N_IMAGE:].double().numpy()))
        for module in image_projections(pipe)
    ]
    draw(pipe, [PROMPTS.pairs[pair].a, PROMPTS.pairs[pair].b])
    for hook in hooks:
        hook.remove()
    weights = [module.weight.detach().double().numpy() for module in image_projections(pipe)]
    row = 0
    for grouping in ("card", "head"):
        table = PLANTED.table(grouping)
        for block, first, n in zip(*(table[k] for k in ("block_index", "first_channel", "n_channels")), strict=True):
            shift = (kept[block][1] - kept[block][0])[:, first : first + n]
            written = shift @ weights[block][:, first : first + n].T
            expected = np.linalg.norm(shift), np.linalg.norm(written)
            np.testing.assert_allclose(sizes[:, pair, row], expected, rtol=1e-3)
            row += 1
    np.testing.assert_array_equal(study.size_of("write", "card"), study.sizes[1, :, : PLANTED.n_runs])
    np.testing.assert_array_equal(study.size_of("norm"), study.sizes[0, :, PLANTED.n_runs :])


def test_without_pictures_there_is_no_truth_and_the_rest_is_the_same(pipe, dense, study):
    table = study.table.rows(study.table.where(role="single"))
    found = run_patching(pipe, dense, table=table, truth="none")
    every, single = np.arange(len(table)), study.table.where(role="single")
    np.testing.assert_allclose(found.of(every, "y"), study.of(single, "y"), atol=ROUNDING)
    for measure in ("y_truth", "cos_truth", "y_truth_others"):
        assert not found.of(every, measure).any()
    assert (found.velocities[:, 0] > 0).all()
    assert not found.velocities[:, 1:].any()


# -- going on --------------------------------------------------------------------------------------


def test_a_resumed_study_has_the_bits_of_an_uninterrupted_one(pipe, dense, pictures, study, tmp_path):
    with closing(iter_patching(pipe, dense, pictures, size=SIZE)) as steps:
        part = [next(steps) for _ in range(3)][-1]
    assert (part.result.n_pairs, part.result.complete) == (3, False)
    assert (part.done, part.total) == (len(part.result.values), len(study.values))
    part.result.save(tmp_path)
    saved = load_study(tmp_path)
    assert saved.n_pairs == 3
    assert np.isnan(saved.of(saved.table.where(role="single"), "y")[:, 3:]).all()
    found = run_patching(pipe, dense, pictures, size=SIZE, resume=saved)
    assert found.values.tobytes() == study.values.tobytes()
    assert found.velocities.tobytes() == study.velocities.tobytes()
    for name, column in study.table.columns().items():
        np.testing.assert_array_equal(found.table.columns()[name], column)


@pytest.mark.parametrize("size", [2, 3, 9])
def test_processes_that_share_a_study_give_that_of_one(pipe, dense, pictures, study, tmp_path, monkeypatch, size):
    for waiting in ("meet", "wait"):
        monkeypatch.setattr(Ranks, waiting, lambda _: None)  # one after the other here
    folder, planned = tmp_path / "study", []

    def plan():
        planned.append(start_patching(pipe, dense, pictures, size=SIZE))
        return planned[-1]

    for ranks in Ranks(0, size).all():
        part, pairs = shared_study(plan, folder, ranks)
        if part is None:
            continue
        first = next(iter_patching(pipe, dense, pictures, size=SIZE, resume=part, share=pairs)).result
        first.save(part_folder(folder, ranks))  # and is killed here
        if ranks.first:
            with pytest.raises(InputError, match=r"1 of 8 pairs are saved in .*study\.parts; .* --resume"):
                joined_study(PROMPTS, folder, ranks)
        part, pairs = shared_study(plan, folder, ranks)
        assert part.n_pairs == 1
        *_, last = iter_patching(pipe, dense, pictures, size=SIZE, resume=part, share=pairs)
        last.result.save(part_folder(folder, ranks))
    found = joined_study(PROMPTS, folder, Ranks(0, size))
    assert len(planned) == 1
    for name in ("values", "velocities", "sizes", "folds", "scores"):
        assert getattr(found, name).tobytes() == getattr(study, name).tobytes(), name
    assert (found.prompts, found.complete, found.provenance["processes"]) == (study.prompts, True, size)
    assert load_study(folder).complete
    assert not parts_folder(folder).exists()


def test_a_whole_study_is_not_run_again(pipe, dense, pictures, study, monkeypatch):
    monkeypatch.setattr(pipe.transformer, "forward", None)
    (last,) = iter_patching(pipe, dense, pictures, size=SIZE, resume=study)
    assert last.result is study
    assert last.done == last.total


def test_a_table_that_asks_nothing_of_some_pairs_is_done_where_the_last_is(pipe, dense):
    folds = study_folds(PROMPTS)
    table = single_heads(PLANTED).rows(np.arange(2))
    for fold in (folds[0], folds[-1]):
        mine = replace(table, fold=np.full(2, fold, np.int16))
        found = run_patching(pipe, dense, table=mine)
        assert found.complete
        np.testing.assert_array_equal(np.isfinite(found.of(np.arange(2), "y")[0]), folds == fold)


def test_going_on_with_another_study_is_refused(pipe, dense, pictures, study):
    def refused(what, resume=study, given=pictures, **more):
        with pytest.raises(InputError, match=f"Cannot resume: the saved study has other {what}"):
            run_patching(pipe, dense, given, **{"size": SIZE, "resume": resume, **more})

    half = replace(study, values=study.values[: study.starts[2]])
    known = study.provenance | {"weights_fingerprint": "other"}
    refused("weights", replace(study, provenance=known))
    refused("prompts", replace(study, prompts=replace(PROMPTS, name="else")))
    refused("settings", replace(study, config=replace(study.config, seed=5)))
    refused("size", size=replace(SIZE, n_random=3))
    refused("heads", view="card")
    refused("truth", truth="elsewhere")
    refused("pictures", half, made_pictures(PROMPTS, PIXELS, seed=1).pixels)
    refused("pictures", half, None)


# -- refused ---------------------------------------------------------------------------------------


def test_what_cannot_be_studied_is_refused_before_a_forward(pipe, dense, pictures, monkeypatch):
    for component in (pipe.transformer, pipe.text_encoder, pipe.vae):
        monkeypatch.setattr(component, "forward", lambda *args, **kwargs: pytest.fail("a model ran"))

    def refused(match, of, given=pictures):
        with pytest.raises(InputError, match=match):
            run_patching(pipe, of, given, size=SIZE)

    def known(**more):
        return replace(dense, run=replace(dense.run, provenance=dense.run.provenance | more))

    refused("is of other weights", known(weights_fingerprint="other"))
    refused("is of other weights", known(weights="grafted"))
    refused("got 5 of 8", replace(dense, run=dense.run.first(5)))
    refused("at least 8 pairs.* got 7 of 7", dense_of(pipe, prompts_of(7)))
    wanted = r"Pictures must be uint8, \(8, 2, 32, 32, 3\); got"
    refused(f"{wanted} uint8, \\(7, 2", dense, pictures[:7])
    refused(f"{wanted} uint8, \\(8, 2, 16", dense, pictures[:, :, :16])
    refused(f"{wanted} float64", dense, pictures / 255)
    heads = replace(PLANTED, n_joint=2, n_single=2)
    with pytest.raises(InputError, match="reads other heads than this model has"):
        run_patching(build_planted(), dense_of_heads(dense, heads))


def dense_of_heads(dense, heads):
    """The dense run with its heads laid out in another way; of so many runs, which the shapes still are."""
    runs = dense.run.mean_square[..., : heads.n_runs]
    n = heads.n_runs + heads.n_heads("head")
    own, others = dense.own[:, :, :, :n], dense.others[:, :, :, :n]
    return replace(dense, run=replace(dense.run, mean_square=runs, head_map=heads), own=own, others=others, decoded={})


def test_values_that_are_no_numbers_are_refused_with_the_pairs_name():
    for module, said in (
        ("proj_out", "The velocities of pair 'p00'"),
        ("x_embedder", "activations of pair 'p00'"),
    ):
        pipe = build_planted()
        with torch.no_grad():
            getattr(pipe.transformer, module).weight[0, 0] = np.nan
        with pytest.raises(InputError, match=f"{said} are not all finite"):
            run_patching(pipe, dense_of(pipe, PROMPTS), table=single_heads(PLANTED).rows(np.arange(2)))
        assert n_hooks(pipe.transformer) == 0


def test_an_estimate_tells_the_rows_of_the_study(pipe, dense, pictures, study):
    n, seconds = estimate(pipe, dense, pictures, size=SIZE)
    assert n == len(study.values)
    assert seconds > 0


# -- folds -----------------------------------------------------------------------------------------


def test_folds_keep_a_subject_and_a_pose_together_and_deal_the_rest_at_random():
    prompts = plantain.load_prompts("dense_pose")
    folds = study_folds(prompts)
    subjects = [pair.tags["subject"] for pair in prompts.pairs]
    for subject in set(subjects):
        assert len({fold for fold, own in zip(folds, subjects, strict=True) if own == subject}) == 1
    assert len(set(folds)) >= 3
    shared = [{"subject": f"s{i // 3}"} for i in range(12)]
    folds = study_folds(prompts_of(12, shared))
    assert [len(set(folds[i : i + 3])) for i in range(0, 12, 3)] == [1] * 4
    # All alike: no two folds could hold other subjects.
    alone = PromptSet("one", tuple(PromptPair(f"p{i}", "a", f"b {i}", {"subject": "s"}) for i in range(10)))
    np.testing.assert_array_equal(np.bincount(study_folds(alone)), [2] * 5)
    np.testing.assert_array_equal(study_folds(alone, 3), study_folds(alone, 3))
    assert any((study_folds(alone, seed) != study_folds(alone)).any() for seed in range(1, 4))


def test_pairs_without_tags_are_dealt_to_five_folds():
    np.testing.assert_array_equal(np.bincount(study_folds(prompts_of(12))), [3, 3, 2, 2, 2])


# -- grafts ----------------------------------------------------------------------------------------


def test_a_grafted_study_patches_each_head_in_its_own_graft(pipe, dense, pictures, study):
    kept = list(pipe.transformer.transformer_blocks) + list(pipe.transformer.single_transformer_blocks)
    states = list(iter_grafted_patching(pipe, dense, pictures, weights_seed=4))
    assert [(state.done, state.total) for state in states] == [(i, 4) for i in range(1, 5)]
    assert [state.result is None for state in states] == [True, True, True, False]
    assert kept == list(pipe.transformer.transformer_blocks) + list(pipe.transformer.single_transformer_blocks)
    found = states[-1].result
    assert found.complete
    assert found.weights == "grafted"
    assert found.provenance["graft_seed"] == 4
    assert set(found.table.role) == {9}
    assert len(found.table) == 2 * PLANTED.n_heads("head")
    trained = study.of(study.table.where(role="single"), "y")
    assert (np.abs(found.of(np.arange(len(found.table)), "y") - trained).max(axis=1) > 10 * ROUNDING).all()
    donor, texts = reinitialise(pipe, seed=4).transformer, [PROMPTS.pairs[5].a, PROMPTS.pairs[5].b]
    for head in (1, 6, 15):
        with grafted(pipe, donor, int(PLANTED.table("head")["block_index"][head])):
            own = plain_velocities(pipe, texts)
            patched = plain_velocities(pipe, texts, [Patch(0, PLANTED.runs_of_heads("head")[head], (1,))])[0]
        change, whole = patched - own[0], own[1] - own[0]
        y = found.of(found.table.where(draw=head, direction="sufficiency"), "y")[0, 5]
        assert y == pytest.approx(change @ whole / (whole @ whole), abs=10 * ROUNDING)


def test_no_intervention_is_an_empty_table():
    none = Interventions.none(PLANTED.n_runs)
    assert (len(none), none.runs.shape) == (0, (0, PLANTED.n_runs))
