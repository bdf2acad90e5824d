"""What a patching study asks: which sets in which pairs, and how a study is kept on disk."""

import hashlib
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from made_runs import PLANTED, dense_run, head_map, patch_study, prompts_of
from safetensors.numpy import load_file, save_file

from plantain import stats
from plantain.data.disk import is_free
from plantain.data.interventions import (
    ALL_PAIRS,
    DIRECTIONS,
    KINDS,
    MAIN,
    RANKINGS,
    ROLES,
    TOKENS,
    WITHIN,
    Interventions,
    StudySize,
    plan_interventions,
    single_heads,
)
from plantain.data.patching import DRAWN, MEASURES, load_study
from plantain.data.rankings import head_scores
from plantain.data.view import View
from plantain.errors import InputError

# 5 blocks of 4 attention heads of 2 runs; 8 runs of MLP in each single block.
HEADS = head_map(n_attention_heads=4, mlp_width=128)
N, N_FOLDS = HEADS.n_heads("head"), 3
SIZE = StudySize(k=(2, 4, 10, 11), n_matched=20, n_matched_back=4, n_random=3, n_within=5, steps=(2, 5))
ONE = HEADS.runs_of_heads("head")


@pytest.fixture(scope="module")
def scores():
    """Of three folds: each ranking's scores are much alike in all of them."""
    rng = np.random.default_rng(0)
    base = {name: rng.standard_normal(N) for name in RANKINGS}
    return [{name: of + 0.3 * rng.standard_normal(N) for name, of in base.items()} for _ in range(N_FOLDS)]


@pytest.fixture(scope="module")
def write():
    rng = np.random.default_rng(1)
    base = np.exp(0.3 * rng.standard_normal(N))
    return [base * np.exp(0.02 * rng.standard_normal(N)) for _ in range(N_FOLDS)]


@pytest.fixture(scope="module")
def table(scores, write):
    return plan_interventions(HEADS, scores, write, size=SIZE)


def heads_of(table, number):
    """The attention heads of a set, which must be whole ones."""
    inside = np.flatnonzero((table.runs[number] >= ONE).all(axis=1))
    np.testing.assert_array_equal(ONE[inside].any(axis=0), table.runs[number])
    return inside


# -- the plan --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("k", [2, 4, 10])
def test_chosen_sets_are_the_first_k_of_a_folds_scores_and_bottom_ones_the_last(table, scores, ranking, k):
    for fold in range(N_FOLDS):
        order = np.lexsort((np.arange(N), -scores[fold][ranking]))
        for role, heads in (("chosen", order[:k]), ("bottom", order[-k:])):
            numbers = table.where(role=role, ranking=ranking, k=k, fold=fold)
            wanted = [0, 1] if role == "chosen" else [0]
            np.testing.assert_array_equal(table.direction[numbers], wanted)
            for number in numbers:
                np.testing.assert_array_equal(heads_of(table, number), np.sort(heads))
        first = heads_of(table, table.where(role="chosen", ranking=ranking, k=k, fold=fold)[0])
        doses = table.where(role="dose", ranking=ranking, k=k, fold=fold)
        others = table.where(role="others", ranking=ranking, k=k, fold=fold)
        np.testing.assert_allclose(table.alpha[doses], SIZE.alphas if ranking in MAIN else [])
        assert len(others) == (ranking in MAIN)
        for number in (*doses, *others):
            np.testing.assert_array_equal(heads_of(table, number), first)
        assert (table.donor[others] == 1).all()
    assert (np.delete(table.donor, table.where(role="others")) == 0).all()


def test_k_beyond_half_of_the_heads_is_left_out(table):
    of_heads = ~np.isin(np.array(ROLES)[table.role], ["single", "block", "kind"])
    assert set(table.k[of_heads]) == {2, 4, 10}


STRATA = np.repeat([0, 0, 1, 1, 1], 4)  # joint and single attention


@pytest.mark.parametrize("ranking", MAIN)
@pytest.mark.parametrize("k", [2, 4])
def test_matched_sets_are_of_the_same_strata_and_size_share_half_at_most_and_are_distinct(table, write, ranking, k):
    mean = np.mean(write, axis=0)
    for fold in range(N_FOLDS):
        chosen = heads_of(table, table.where(role="chosen", ranking=ranking, k=k, fold=fold)[0])
        numbers = table.where(role="matched", ranking=ranking, k=k, fold=fold, direction="sufficiency")
        back = table.where(role="matched", ranking=ranking, k=k, fold=fold, direction="necessity")
        np.testing.assert_array_equal(table.draw[numbers], np.arange(len(numbers)))
        assert 5 < len(numbers) <= SIZE.n_matched
        np.testing.assert_array_equal(table.runs[back], table.runs[numbers[: SIZE.n_matched_back]])
        ratios = []
        for number in numbers:
            heads = heads_of(table, number)
            np.testing.assert_array_equal(np.sort(STRATA[heads]), np.sort(STRATA[chosen]))
            assert len(np.intersect1d(heads, chosen)) <= k // 2
            ratios.append(np.sqrt((mean[heads] ** 2).sum() / (mean[chosen] ** 2).sum()))
        assert abs(np.median(ratios) - 1) < 0.1


def test_matched_sets_of_several_folds_are_drawn_together(table, scores, write):
    """They are those of one call for all folds, and overlap between folds as the chosen sets do."""
    k, ranking = 4, "t"
    chosen = np.stack([np.argsort(-of[ranking], kind="stable")[:k] for of in scores])
    seed = np.random.SeedSequence([SIZE.seed, k, RANKINGS.index(ranking)]).generate_state(1)[0]
    expected = stats.matched_sets(chosen, STRATA, np.mean(write, axis=0), SIZE.n_matched, seed=int(seed)).sets
    shared = []
    for draw, folds in enumerate(expected):
        numbers = table.where(role="matched", ranking=ranking, k=k, draw=draw, direction="sufficiency")
        np.testing.assert_array_equal(table.fold[numbers], np.arange(N_FOLDS))
        for number, heads in zip(numbers, folds, strict=True):
            np.testing.assert_array_equal(heads_of(table, number), heads)
        shared.append(len(np.intersect1d(folds[0], folds[1])))
    assert shared == [len(np.intersect1d(chosen[0], chosen[1]))] * len(expected)


@pytest.mark.parametrize("k", [2, 4, 10])
def test_sets_within_are_halves_of_the_2k_heads_that_write_most(table, scores, write, k):
    for fold in range(N_FOLDS):
        largest = set(np.argsort(-write[fold], kind="stable")[: 2 * k])
        for ranking in WITHIN:
            high, low = (
                heads_of(table, *table.where(role=role, ranking=ranking, k=k, fold=fold))
                for role in ("within high", "within low")
            )
            assert set(high) | set(low) == largest
            assert len(high) == len(low) == k
            assert scores[fold][ranking][high].min() > scores[fold][ranking][low].max()
        numbers = table.where(role="within random", k=k, fold=fold)
        assert len(numbers) == SIZE.n_within
        drawn = [tuple(heads_of(table, number)) for number in numbers]
        assert all(len(heads) == k and set(heads) <= largest for heads in drawn)
        assert len(set(drawn)) > 1


def test_random_sets_and_parts_are_made_in_every_pair(table):
    for k in (2, 4, 10):
        numbers = table.where(role="random", k=k)
        assert len(numbers) == SIZE.n_random
        assert [len(heads_of(table, number)) for number in numbers] == [k] * SIZE.n_random
    every = np.isin(np.array(ROLES)[table.role], ["random", "single", "block", "kind"])
    np.testing.assert_array_equal(table.fold == ALL_PAIRS, every)
    for direction in DIRECTIONS:
        numbers = table.where(role="single", direction=direction)
        np.testing.assert_array_equal(table.runs[numbers], ONE)
        np.testing.assert_array_equal(table.draw[numbers], np.arange(N))


def test_blocks_and_kinds_divide_the_model(table):
    blocks = table.where(role="block")
    assert len(blocks) == 2 + 3 * 2  # attention, and MLP in single blocks
    np.testing.assert_array_equal(table.runs[blocks].sum(axis=0), 1)
    card = HEADS.table("card")
    mlp, single = card["part"] == "mlp", card["kind"] == "single"
    parts = {KINDS[0]: ~single, KINDS[1]: single & ~mlp, KINDS[2]: mlp, KINDS[3]: np.ones(HEADS.n_runs, bool)}
    for number, kind in enumerate(KINDS):
        numbers = table.where(role="kind", draw=number)
        assert (table.runs[numbers] == parts[kind]).all()
        assert (table.k[numbers] == parts[kind].sum()).all()
        first = numbers[table.step[numbers] == 0]
        assert {(TOKENS[t], d) for t, d in zip(table.tokens[first], table.direction[first], strict=True)} == {
            (tokens, direction) for tokens in TOKENS for direction in (0, 1)
        }
        np.testing.assert_array_equal(table.step[numbers[table.step[numbers] > 0]], SIZE.steps)


def test_card_heads_are_chosen_as_runs_with_the_mlp_a_stratum_of_its_own():
    n, rng = HEADS.n_runs, np.random.default_rng(3)
    scores = [{"write": rng.standard_normal(n)}, {"write": rng.standard_normal(n)}]
    write = [np.exp(0.2 * rng.standard_normal(n))] * 2
    table = plan_interventions(HEADS, scores, write, View("card"), StudySize(k=(5,), n_matched=10, steps=()))
    card = HEADS.table("card")
    kind = np.where(card["part"] == "mlp", 2, np.where(card["kind"] == "single", 1, 0))
    for fold in range(2):
        chosen = table.runs[table.where(role="chosen", fold=fold)[0]]
        np.testing.assert_array_equal(np.flatnonzero(chosen), np.sort(np.argsort(-scores[fold]["write"])[:5]))
        for number in table.where(role="matched", fold=fold):
            np.testing.assert_array_equal(np.bincount(kind[table.runs[number]]), np.bincount(kind[chosen]))
    assert len(single_heads(HEADS, "card")) == 2 * n
    assert set(table.ranking) == {-1, RANKINGS.index("write")}


def test_a_plan_is_the_same_again_and_another_by_another_seed(table, scores, write):
    again = plan_interventions(HEADS, scores, write, size=SIZE)
    for name, column in table.columns().items():
        np.testing.assert_array_equal(again.columns()[name], column)
    other = plan_interventions(HEADS, scores, write, size=replace(SIZE, seed=1))
    assert (other.runs[other.where(role="random")] != table.runs[table.where(role="random")]).any()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"k": ()}, "k are numbers of heads, from 1"),
        ({"k": (0, 4)}, "k are numbers of heads, from 1"),
        ({"n_matched": -1}, "0 or more"),
        ({"steps": (-1,)}, "0 or more"),
        ({"alphas": (0.5, 1.0)}, "between 0 and 1, both left out"),
        ({"alphas": (0.0,)}, "between 0 and 1, both left out"),
    ],
)
def test_a_size_that_cannot_be_is_refused(fields, match):
    with pytest.raises(InputError, match=match):
        StudySize(**fields)


def test_columns_come_back_and_what_they_are_not_is_refused(table):
    columns = table.columns()
    assert columns["runs"].dtype == np.uint8
    found = Interventions.from_columns(columns, HEADS.n_runs)
    for name in columns:
        np.testing.assert_array_equal(getattr(found, name), getattr(table, name))
        assert getattr(found, name).dtype == getattr(table, name).dtype
    with pytest.raises(InputError, match="k of the interventions has another length than runs"):
        replace(table, k=table.k[1:])
    for name, known in (("role", ROLES), ("direction", DIRECTIONS), ("tokens", TOKENS)):
        for wrong in (-1, len(known)):
            with pytest.raises(InputError, match=f"{name} of an intervention is a place in a list of {len(known)}"):
                replace(table, **{name: np.full(len(table), wrong, np.int8)})
    with pytest.raises(InputError, match="runs of the interventions are"):
        Interventions.from_columns(columns | {"runs": columns["runs"][:, 1:]}, HEADS.n_runs)
    part = table.rows(table.where(role="kind"))
    assert len(part) == len(table.where(role="kind")) == len(part.where(role="kind"))


# -- rankings --------------------------------------------------------------------------------------


def test_scores_count_training_pairs_alone():
    prompts, rng = prompts_of(9), np.random.default_rng(5)
    dense, beside = dense_run(prompts), dense_run(prompts, seed=1)
    n = PLANTED.n_heads("head")
    norm, write = rng.random((2, 9, n))
    train = np.arange(9) % 3 != 0
    found = head_scores(dense, norm, write, train, beside=beside)
    assert list(found) == list(RANKINGS)
    np.testing.assert_array_equal(found["norm"], norm[train].mean(axis=0))
    np.testing.assert_array_equal(found["write"], write[train].mean(axis=0))
    d = dense.run.differences("head")[train]
    np.testing.assert_allclose(found["t"], np.abs(d.mean(axis=0) / d.std(axis=0, ddof=1) * np.sqrt(len(d))), rtol=1e-6)
    matrix = dense.matrix[:, train][:, :, train].astype(float)  # own less the mean of the other training pairs
    own = np.diagonal(matrix, axis1=1, axis2=2)
    others = (matrix.sum(axis=1) + matrix.sum(axis=2) - 2 * own) / (2 * (train.sum() - 1))
    np.testing.assert_allclose(found["place"], stats.paired_t((own - others).T), rtol=1e-6)
    np.testing.assert_allclose(found["selectivity"], found["place"] - stats.paired_t(beside.place("head")))
    np.testing.assert_allclose(found["code"], stats.paired_t(dense.decoded["code_beyond"][:, train].T.astype(float)))
    # What test pairs hold changes nothing.
    other = replace(dense, matrix=np.where(np.outer(train, train), dense.matrix, np.float16(0.9)))
    for name in ("place", "t"):
        np.testing.assert_array_equal(head_scores(other, norm, write, train)[name], found[name])
    assert list(head_scores(replace(dense, decoded={}), norm, write, train)) == ["t", "place", "norm", "write"]
    card = PLANTED.n_runs
    cards = head_scores(dense, np.ones((9, card)), np.ones((9, card)), train, "card")
    assert list(cards) == ["t", "place", "norm", "write"]
    np.testing.assert_allclose(cards["place"], stats.paired_t(dense.place("card")[train]))


def test_rankings_that_cannot_be_had_are_refused():
    prompts = prompts_of(6)
    dense, n = dense_run(prompts), PLANTED.n_heads("head")
    sizes = np.ones((6, n))
    with pytest.raises(InputError, match=rf"Sizes must be \(6, {n}\), a pair a row; got \(5, {n}\)"):
        head_scores(dense, sizes[1:], sizes[1:], np.ones(6, bool))
    with pytest.raises(InputError, match="Place needs 3 training pairs that have a map; got 2"):
        head_scores(dense, sizes, sizes, np.arange(6) < 2)


# -- on disk ---------------------------------------------------------------------------------------

PROMPTS = prompts_of(8)
ARRAYS = ("values", "sizes", "folds", "velocities", "scores", "drawn", "drawn_rows")


@pytest.fixture(scope="module")
def study():
    return patch_study(PROMPTS)


@pytest.fixture
def saved(study, tmp_path):
    return study.save(tmp_path / "study")


def edit(folder, **changes):
    """The description with some entries changed; None: left out."""
    path = folder / "patch.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def tensor_file(folder):
    (path,) = folder.glob("patch-*.safetensors")
    return path


def resave(folder, **changes):
    """The tensors with some changed (None: left out), under the digest that is theirs."""
    old = tensor_file(folder)
    tensors = {key: value for key, value in (load_file(old) | changes).items() if value is not None}
    save_file(tensors, folder / "new")
    digest = hashlib.sha256((folder / "new").read_bytes()).hexdigest()
    name = f"patch-{digest[:12]}.safetensors"
    old.unlink()
    (folder / "new").rename(folder / name)
    edit(folder, tensor_file=name, tensor_sha256=digest)


def test_what_is_saved_comes_back(study, saved):
    found = load_study(saved)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(study, name))
        assert getattr(found, name).dtype == getattr(study, name).dtype
    for name, column in study.table.columns().items():
        np.testing.assert_array_equal(found.table.columns()[name], column)
    for name in ("prompts", "config", "head_map", "provenance", "view", "about"):
        assert getattr(found, name) == getattr(study, name)
    assert found.complete
    assert (found.model, found.weights) == ("planted", "trained")
    rows = study.table.where(role="single")
    np.testing.assert_array_equal(found.of(rows, "turned"), study.of(rows, "turned"))
    assert 0 < np.isfinite(study.of(rows, "turned")).sum() < study.of(rows, "turned").size


def test_drawn_values_stand_where_their_rows_are(study):
    row = int(study.drawn_rows[20])
    pair = int(np.searchsorted(study.starts, row, side="right")) - 1
    number = study.table.of_pair(int(study.folds[pair]))[row - study.starts[pair]]
    for j, name in enumerate(DRAWN):
        assert study.of(np.array([number]), name)[0, pair] == study.drawn[20, j]


def test_a_partial_study_says_what_is_done(tmp_path):
    part = patch_study(PROMPTS, pairs_done=3)
    found = load_study(part.save(tmp_path))
    assert (found.n_pairs, found.complete) == (3, False)
    y = found.of(found.table.where(role="single"), "y")
    assert np.isfinite(y[:, :3]).all()
    assert np.isnan(y[:, 3:]).all()
    assert json.loads((tmp_path / "patch.json").read_text())["pairs_done"] == 3
    none = load_study(patch_study(PROMPTS, pairs_done=0).save(tmp_path))
    assert (none.n_pairs, none.complete) == (0, False)
    assert len(list(tmp_path.glob("patch-*"))) == 1  # a later state replaces an earlier one


def test_weights_are_told_by_their_kind_and_seed(study):
    for known, name in (
        ({"weights": "untrained", "weights_seed": 2}, "untrained 2"),
        ({"weights": "permuted"}, "permuted 0"),
        ({"weights": "grafted"}, "grafted"),
    ):
        assert replace(study, provenance=study.provenance | known).weights == name


def test_what_a_killed_save_leaves_is_free_to_start_in(tmp_path):
    for name in (".patch.json.17.tmp", ".patch-0123456789ab.safetensors.17.tmp", "patch-0123456789ab.safetensors"):
        (tmp_path / name).write_bytes(b"half of it")
    assert is_free(tmp_path)


def test_a_missing_truncated_or_altered_tensor_file_is_named(saved, tmp_path):
    path = tensor_file(saved)
    content = path.read_bytes()
    for changed in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b""):
        path.write_bytes(changed)
        with pytest.raises(InputError, match=rf"{path.name} is damaged: its SHA-256 is not that of patch\.json"):
            load_study(saved)
    path.unlink()
    with pytest.raises(InputError, match=rf"Cannot read .*{path.name}, which patch\.json names"):
        load_study(saved)
    with pytest.raises(InputError, match=r"holds no run \(no patch\.json\)"):
        load_study(tmp_path)


def test_nothing_is_ever_unpickled(saved):
    path = tensor_file(saved)
    for name in ("patch.pkl", "../patch-0123456789ab.safetensors", "dense-0123456789ab.safetensors", 7):
        edit(saved, tensor_file=name)
        with pytest.raises(InputError, match=r"patch\.json names no valid tensor file"):
            load_study(saved)
    path.write_bytes(pickle.dumps({"values": 1}))
    edit(saved, tensor_file=path.name, tensor_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="is not a safetensors file"):
        load_study(saved)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema_version": 2}, r"patch\.json has schema 2; this version"),
        ({"schema_version": None}, r"patch\.json is not the description of a plantain run"),
        ({"about": None}, r"patch\.json is damaged \('about'\)"),
        ({"about": [1]}, r"patch\.json is damaged"),
        ({"provenance": "?"}, r"patch\.json is damaged"),
        ({"head_map": {"n_joint": 1}}, r"patch\.json is damaged"),
        ({"head_map": PLANTED.to_dict() | {"channels_per_head": 7}}, r"patch\.json is damaged"),
        ({"view": {"grouping": "toes"}}, r"patch\.json is damaged \(grouping must be one of"),
        ({"view": {"depth": 3}}, r"patch\.json is damaged"),
        ({"config": {"seed": -1}}, r"patch\.json is damaged \(seed must be"),
        ({"prompts": {"name": "made", "pairs": []}}, r"patch\.json is damaged"),
    ],
)
def test_a_damaged_description_is_refused_and_named(saved, changes, match):
    edit(saved, **changes)
    with pytest.raises(InputError, match=match):
        load_study(saved)


def codes(name, value):
    def change(tensors):
        column = tensors[f"table.{name}"].copy()
        column[3] = value
        return {f"table.{name}": column}

    return change


def not_a_number(name):
    def change(tensors):
        values = tensors[name].copy()
        values.flat[1] = np.nan
        return {name: values}

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda tensors: {"values": None}, "lacks the float32 tensor 'values'"),
        (lambda tensors: {"values": tensors["values"].astype(np.float64)}, "lacks the float32 tensor 'values'"),
        (lambda tensors: {"table.runs": None}, "lacks the uint8 tensor 'table.runs'"),
        (lambda tensors: {"table.k": None}, "'k'"),
        (lambda tensors: {"table.mood": tensors["table.k"]}, "mood"),
        (lambda tensors: {"table.k": tensors["table.k"][1:]}, "k of the interventions has another length"),
        (lambda tensors: {"table.runs": tensors["table.runs"][:, 1:]}, "runs of the interventions are"),
        (lambda tensors: {"table.role": tensors["table.role"].astype(np.float32)}, "role"),
        (codes("role", len(ROLES)), "role of an intervention is a place in a list"),
        (codes("ranking", -2), "ranking of an intervention is a place in a list"),
        (codes("donor", -1), "donor of an intervention is a place in a list"),
        (codes("fold", -2), "values that are no numbers"),
        (codes("alpha", np.nan), "values that are no numbers"),
        (not_a_number("values"), "values that are no numbers"),
        (not_a_number("sizes"), "values that are no numbers"),
        (not_a_number("velocities"), "values that are no numbers"),
        (lambda tensors: {"values": tensors["values"][:-1]}, "rows, which end within a pair"),
        (lambda tensors: {"values": tensors["values"][:, 1:]}, r"needs \(rows, 5\)"),
        (lambda tensors: {"sizes": tensors["sizes"][:, 1:]}, "sizes has the shape"),
        (lambda tensors: {"folds": tensors["folds"][1:]}, "folds has the shape"),
        (lambda tensors: {"velocities": tensors["velocities"][:, 1:]}, "velocities has the shape"),
        (lambda tensors: {"drawn": tensors["drawn"][1:]}, "drawn has the shape"),
        (lambda tensors: {"drawn_rows": tensors["drawn_rows"] + 10**6}, "drawn_rows names rows that"),
        (lambda tensors: {"drawn_rows": tensors["drawn_rows"] - 1}, "drawn_rows names rows that"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_the_file_is_named(saved, change, match):
    resave(saved, **change(load_file(tensor_file(saved))))
    with pytest.raises(InputError, match=rf"patch-[0-9a-f]{{12}}\.safetensors.*{match}"):
        load_study(saved)


def test_measures_have_names_of_their_own():
    assert not set(MEASURES) & set(DRAWN)
