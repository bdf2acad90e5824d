"""Head accounting: every family is counted once, at its own tokens, in its own units."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import PLANTED, on_heads, planted

import plantain
from plantain import stats
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.families import (
    FAMILIES,
    family_table,
    scope_view,
    scopes_of,
)

PROMPTS = plantain.load_prompts("dense_pose")


@pytest.fixture(scope="module")
def result():
    return plantain.load_result(RUNS / "posebox")


def differences_of(result, stream="card", grouping="head"):
    names = [scope for scope in scopes_of(result.head_map, stream) if scope in FAMILIES]
    return {name: result.differences(scope_view(name, stream, grouping)) for name in names}


def test_families_part_the_attention_heads_and_the_runs(result):
    head_map = result.head_map
    sizes = {name: d.shape[1] for name, d in differences_of(result).items()}
    assert list(sizes) == list(FAMILIES)
    assert sizes["joint image"] == sizes["joint text"] == 15
    assert sizes["joint image"] + sizes["single attention"] == head_map.n_heads("head")
    assert sizes["single MLP"] == head_map.n_heads("card", "mlp")
    runs = {name: d.shape[1] for name, d in differences_of(result, grouping="card").items()}
    assert runs["joint image"] + runs["single attention"] + runs["single MLP"] == head_map.n_heads("card")


def test_a_family_is_what_the_result_has_in_its_place(result):
    own = result.differences("head")
    np.testing.assert_array_equal(result.differences(scope_view("attention heads")), own)
    np.testing.assert_array_equal(result.differences(scope_view("card heads")), result.differences())
    joint = result.head_map.table("head")["kind"] == "joint"
    np.testing.assert_array_equal(result.differences(scope_view("joint image")), own[:, joint])
    np.testing.assert_array_equal(result.differences(scope_view("single attention")), own[:, ~joint])
    text = result.differences("head", stream="text")
    np.testing.assert_array_equal(result.differences(scope_view("joint text")), text[:, joint])
    np.testing.assert_array_equal(result.differences(scope_view("single attention", "text")), text[:, ~joint])
    image = result.differences("card", "mlp", "image")
    np.testing.assert_array_equal(result.differences(scope_view("single MLP", "image")), image)


@pytest.mark.parametrize(("stream", "left_out"), [("card", None), ("image", "joint text"), ("text", "joint image")])
def test_a_stream_has_the_families_whose_tokens_it_holds(result, stream, left_out):
    assert set(differences_of(result, stream)) == set(FAMILIES) - {left_out}


def test_what_is_planted_in_text_tokens_of_joint_blocks_is_found_there_only():
    """The card's own count reads image tokens in joint blocks, and does not see it."""
    run = planted(PROMPTS, dict.fromkeys(range(PLANTED.n_joint_runs), 0.5), streams=(1,))
    rows = family_table(run, n_flips=200).counts
    assert rows["joint text"].counts == (4, 4)
    assert rows["joint text"].shares[0] == 1
    assert all(row.counts[1] == 0 for scope, row in rows.items() if scope != "joint text")


def test_the_table_puts_attention_only_beside_the_published_count():
    """An effect in every MLP run and in two attention heads: most of the published count is MLP."""
    mlp = {int(run): 0.5 for run in PLANTED.table("card", "mlp")["first_run"]}
    run = planted(PROMPTS, mlp | on_heads({4: 0.5, 9: -0.5}))
    table = family_table(run, n_flips=500)
    n_mlp = PLANTED.n_heads("card", "mlp")
    assert table.counts["card heads"].counts[1] == n_mlp + 4
    assert table.counts["attention heads"].counts[1] == 2
    assert table.counts["attention heads"].n_heads == PLANTED.n_heads("head")
    assert f"{table.counts['card heads'].counts[0]} of {PLANTED.n_runs} runs of channels" in table.sentences[0]
    assert table.text.startswith(table.sentences[0])
    assert list(table.units.values()) == ["runs of 16 channels", *["attention heads"] * 4, "runs of 16 channels"]
    assert table.to_dict()["rows"][-1]["counts"][1] == n_mlp


def test_a_count_is_the_summarys(result):
    table, summary = family_table(result), plantain.summarise(result)
    own = plantain.summarise(result, "head")
    for row, said in ((table.counts["card heads"], summary), (table.counts["attention heads"], own)):
        assert (row.counts, row.null_p99, row.set_p) == (said.counts, said.null_p99, said.set_p)
        assert row.split_half == said.split_half
        assert row.mean_d2 == pytest.approx(np.mean(said.dz**2) * 22 / 24 - 1 / 25)


def test_a_scopes_table_names_its_heads(result):
    for scope in scopes_of(result.head_map):
        table = result.head_map.table(scope_view(scope))
        assert len(table["block"]) == result.differences(scope_view(scope)).shape[1]
        if scope in FAMILIES:
            assert set(table["kind"]) == {scope.split()[0]}
            assert set(table["part"]) == {"mlp" if scope == "single MLP" else "attention"}


def test_a_model_without_joint_or_single_blocks_has_fewer_families():
    assert scopes_of(replace(PLANTED, n_joint=0))[2:] == ["single attention", "single MLP"]
    assert scopes_of(replace(PLANTED, n_single=0))[2:] == ["joint image", "joint text"]
    with pytest.raises(InputError, match="no heads of part='attention' in joint blocks"):
        replace(PLANTED, n_joint=0).table(scope_view("joint image"))


def test_what_does_not_exist_is_refused(result):
    with pytest.raises(InputError, match="stream must be one of card, image, text; got 'padding'"):
        scope_view("joint text", "padding")
    with pytest.raises(InputError, match="'joint image' is read at image tokens only; got stream='text'"):
        result.differences(scope_view("joint image", "text"))
    with pytest.raises(InputError, match=r"Heads are counted as card heads, .*; got 'neurons'"):
        result.differences(scope_view("neurons"))
    with pytest.raises(InputError, match="grouping must be one of"):
        scope_view("joint text", grouping="neuron")


def test_few_pairs_have_counts_without_reliability():
    d = np.random.default_rng(0).normal(size=(3, 5))
    count = stats.count_heads(d, n_flips=4)
    assert count.split_half is None
    assert np.isnan(count.mean_d2)
