"""Length audit: token counts, what counts as unbalanced, and the effect at equal length."""

import huggingface_hub
import numpy as np
import pytest
from made_runs import SMALL, made_run
from scipy.stats import ttest_1samp

import plantain
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.model.load import load_tokenizer
from plantain.model.text import text_mask
from plantain.paths import POSEBOX, RUNS
from plantain.questions import length as audit

H = SMALL.n_runs


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("posebox")


def counted(counts):
    counts = np.asarray(counts)
    return audit.LengthAudit("made", ("short", "long"), tuple(f"p{i}" for i in range(len(counts))), counts)


# -- counting --------------------------------------------------------------------------------------


def test_a_tokenizer_comes_without_weights_and_counts_like_the_pipeline(tokenizer, posebox, small_prompts):
    assert tokenizer.transformer is tokenizer.text_encoder is tokenizer.vae is None
    expected = text_mask(posebox, small_prompts.prompts)
    np.testing.assert_array_equal(text_mask(tokenizer, small_prompts.prompts), expected)
    found = audit.audit_prompts(tokenizer, small_prompts)
    np.testing.assert_array_equal(found.counts.ravel(), expected.sum(axis=1))


def test_a_tokenizer_of_a_saved_pipeline_and_of_none(posebox, tmp_path):
    posebox.tokenizer.save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(InputError, match="not a saved pipeline"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(InputError, match="Unknown model 'nobody'"):
        load_tokenizer("nobody")


def test_of_a_hub_model_only_the_tokenizer_is_fetched(monkeypatch):
    asked = []

    def index(name, file, revision=None):
        return str(POSEBOX / file)

    def snapshot(name, revision=None, allow_patterns=None):
        asked.append((name, revision, allow_patterns))
        return str(POSEBOX)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", index)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    pipe = load_tokenizer("someone/klein@main")
    assert asked == [("someone/klein", "main", ["model_index.json", "tokenizer/*"])]
    assert pipe.transformer is None
    assert text_mask(pipe, ["a dancer"]).any()


@pytest.mark.parametrize("name", sorted(set(plantain.data.prompts.shipped_prompts()) - {"length"}))
def test_the_shipped_sets_are_of_equal_length_for_posebox(tokenizer, name):
    assert audit.audit_prompts(tokenizer, plantain.load_prompts(name)).verdict == "equal"


def test_the_set_that_is_about_length_is_found_out(tokenizer):
    found = audit.audit_prompts(tokenizer, plantain.load_prompts("length"))
    assert found.verdict == "unbalanced"
    delta = found.counts[:, 1] - found.counts[:, 0]
    assert f"UNBALANCED. {np.count_nonzero(delta)} of 25 pairs differ in tokens; B − A is +" in found.text
    assert found.t == pytest.approx(ttest_1samp(delta, 0).statistic)


def test_an_unbalanced_set_of_ones_own_is_flagged_pair_by_pair(tokenizer):
    rows = [(f"a {who} standing", f"a {who} sitting on a low wall" + " by the sea" * (i % 2)) for i, who in enumerate(
        ("chef", "robot", "nurse", "farmer")
    )]  # fmt: skip
    found = audit.audit_prompts(tokenizer, PromptSet.from_pairs(rows))
    assert found.verdict == "unbalanced"
    assert (found.delta > 0).all()
    assert "'B' is longer" in found.sentence
    assert found.text.count("  • ") == 4


@pytest.mark.parametrize(
    ("counts", "verdict", "said"),
    [
        ([[9, 9], [12, 12], [7, 7]], "equal", "equally many tokens in each of 3 pairs (7 to 12)"),
        ([[9, 9]], "equal", "in each of 1 pairs"),
        ([[9, 10], [10, 9], [9, 11], [11, 9]], "balanced", "neither side is longer on the whole"),
        ([[9, 10], [9, 10], [9, 10]], "unbalanced", "t not finite): 'long' is longer"),
        ([[9, 7], [9, 8]], "unbalanced", "too few pairs for a t): 'short' is longer"),
    ],
)
def test_what_is_equal_balanced_and_unbalanced(counts, verdict, said):
    found = counted(counts)
    assert found.verdict == verdict
    assert said in found.sentence


def test_a_long_list_of_pairs_is_cut_in_the_text_and_whole_in_the_table():
    found = counted([[5, 6 + i] for i in range(30)])
    assert "  • p29: 5 in A, 35 in B (+30)" in found.text
    assert "  • and 18 more" in found.text


def test_a_run_holds_the_counts_of_its_prompts(tokenizer):
    run = plantain.load_result(RUNS / "posebox")
    np.testing.assert_array_equal(
        audit.audit_run(run).counts, audit.audit_prompts(tokenizer, plantain.load_prompts("dense_pose")).counts
    )


# -- the effect at equal length ----------------------------------------------------------------------


def planted(delta, effect=0.0, by_token=0.0, noise=0.05, seed=0):
    delta = np.asarray(delta)
    rng = np.random.default_rng(seed)
    d = effect + by_token * delta[:, None] + noise * rng.normal(size=(len(delta), H))
    return made_run(d, tokens=np.stack([np.full(len(delta), 20), 20 + delta], axis=1))


def test_an_effect_of_length_alone_is_gone_at_equal_length():
    found = audit.equal_length(planted(np.arange(25) % 8 - 1, by_token=0.1), n_flips=200)
    assert found.plain.counts[0] == H
    assert found.adjusted.counts[0] <= 3
    np.testing.assert_allclose(found.fit.b1, 0.1, atol=0.02)
    assert "lies within the lengths that were measured" in found.text


def test_an_effect_beside_length_stays():
    found = audit.equal_length(planted(np.arange(25) % 8 - 1, effect=0.5, by_token=0.1), n_flips=200)
    assert found.adjusted.counts[1] == H


def test_extrapolation_is_said_with_its_inflation():
    found = audit.equal_length(planted(3 + np.arange(25) % 4, by_token=0.1), n_flips=200)
    assert found.fit.extrapolated
    delta = 3 + np.arange(25) % 4
    expected = np.sqrt((delta**2).sum() / ((delta - delta.mean()) ** 2).sum())
    assert found.fit.inflation == pytest.approx(expected)
    assert "always the longer one (by 3 tokens at least)" in found.text
    assert f"is {expected:.2f} times that of a mean" in found.text
    assert "extrapolated" in found.text


def test_one_difference_in_all_pairs_cannot_be_told_from_the_contrast():
    found = audit.equal_length(planted(np.full(25, 2), effect=1), n_flips=50)
    assert found.adjusted is None
    assert found.fit is None
    assert "Every pair differs by +2 tokens, so length and contrast cannot be told apart" in found.text


def test_equal_lengths_leave_the_paired_t_as_it_is():
    run = plantain.load_result(RUNS / "posebox")
    found = audit.equal_length(run, n_flips=50)
    np.testing.assert_allclose(found.adjusted.t, found.plain.t)
    assert found.plain.counts == found.adjusted.counts
    assert "the paired t is the effect at equal length already" in found.text


def test_the_view_is_the_one_asked_for():
    found = audit.equal_length(plantain.load_result(RUNS / "posebox"), "head", n_flips=20)
    assert found.plain.n_heads == 75
