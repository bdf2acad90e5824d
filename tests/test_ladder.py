"""The ladder's verdicts: the strictest baseline decides, and a count must be beyond it by more than chance."""

from dataclasses import replace

import numpy as np
import pytest

from plantain.data.family import load_family
from plantain.data.heads import HeadMap
from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.questions import projections
from plantain.questions.counted import RunWithTwin
from plantain.questions.decoded import score_count
from plantain.questions.effect import Effect
from plantain.questions.every_head import every_head
from plantain.questions.ladder import Ladder, Rung
from plantain.questions.place import place_count
from plantain.questions.projections import load_projections
from plantain.questions.response import summarise
from plantain.ui.ladder import SCOPE, answer, summary

PROJECTED = (50, 54)
MODEL = "true of the model, not of its heads: random projections pass as often"


def verdict(rung="place", projected=PROJECTED, **counts):
    rungs = [Rung(rung, SCOPE, w.replace("_", " "), count, 75, None) for w, count in counts.items()]
    return Ladder("m", "p", tuple(rungs), {"place": projected} if projected else {}, EFFECT).verdict(rung)


EFFECT = Effect(
    n_heads=75,
    above=58,
    below=3,
    median=0.006,
    largest=0.105,
    of="the true difference",
    output_ratio=14.2,
    grafted_above=4,
    grafted_below=8,
)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"trained": None, "untrained_0": 3}, "not run"),
        ({"trained": 40}, "no twin has been run"),
        ({"trained": 40, "untrained_0": 41, "grafted": 0}, "takes no learning: untrained, more pass"),
        # Two heads of 75 against none: chance gives that.
        ({"trained": 2, "untrained_0": 0, "grafted": 0}, "not shown: untrained, not significantly fewer pass"),
        ({"trained": 2, "untrained_0": 2, "grafted": 0}, "not shown: untrained, as many pass"),
        (
            {"trained": 40, "untrained_0": 0, "permuted_0": 38, "grafted": 0},
            "not shown: untrained, not significantly fewer pass",
        ),
        # The most of a draw decides, whatever a graft says.
        ({"trained": 57, "untrained_0": 0, "grafted": 1}, MODEL),
        ({"trained": 57, "untrained_0": 0, "grafted": 39}, MODEL),
        ({"trained": 57, "untrained_0": 0}, MODEL),
        ({"trained": 73, "untrained_0": 0, "grafted": 70}, "the model's: as many random heads in it pass"),
        (
            {"trained": 73, "untrained_0": 0, "grafted": 39},
            "mostly the model's: over half as many random heads in it pass",
        ),
        ({"trained": 73, "untrained_0": 0, "grafted": 4}, "more heads than in any baseline"),
        ({"trained": 73, "untrained_0": 0}, "more than untrained; no graft has been run"),
        (
            {"projected": (), "trained": 73, "untrained_0": 0, "grafted": 4},
            "more than untrained; random projections of the block's own input have not been run",
        ),
        (
            {"rung": "cause", "trained": 58, "untrained_0": None, "grafted": 4},
            "more heads than in any baseline, with small effects (median 0.6% of the true difference, largest 10.5%); "
            "the grafted block writes 14 times less; 3 the other way (t < −3)",
        ),
    ],
)
def test_the_strictest_baseline_decides(counts, said):
    assert verdict(**counts) == said


POSEBOX = {
    "respond": (26, 46, 33),
    "place": (57, 1, 39),
    "place_sided": (39, 0, 23),
    "code": (2, 2, 0),
    "deformation": (14, 0, 1),
    "cause": (58, 0, 4),
}
PASSING = {"place": (67, 69), "place_sided": (51, 52), "code": (0, 2), "deformation": (23, 26)}


def ladder_of(projections=PASSING, **counts):
    """POSEBOX but for the given rungs; each as trained, untrained, grafted."""
    rungs = [
        Rung(rung, SCOPE, weights, count, 75, None)
        for rung, of in (POSEBOX | counts).items()
        for weights, count in zip(("trained", "untrained 0", "grafted"), of, strict=True)
    ]
    return Ladder("m", "p", tuple(rungs), projections, EFFECT)


def test_the_summary_sorts_the_questions_by_their_verdicts():
    said = summary(ladder_of())
    assert said == (
        "More heads than in any baseline: question 5. True of the model, not of its heads: 2, 4. "
        "No evidence of learning: 1, 3."
    )


def test_the_sentences_are_numbered_as_on_the_page_and_count_the_graft_both_ways():
    said = ladder_of().sentences
    assert [sentence[:2] for sentence in said[:6]] == ["1.", "2.", "… ", "3.", "4.", "5."]
    assert said[-1].endswith("4 of them lie at t > 3, 8 at t < −3.")
    assert replace(EFFECT, output_ratio=None).short == "with small effects"


def test_the_pages_question_is_answered_by_the_verdicts():
    none = dict.fromkeys(POSEBOX, (40, 40, 40))
    said = answer(ladder_of())
    assert said.startswith("<strong>In part.</strong> The model carries where the body moved and the body parts of ")
    assert "true of the model, not of its heads" in said
    assert "but little: by 0.6% of the true difference in the median, 10.5% at most." in said
    assert said.endswith("A response alone takes no learning.")
    assert answer(ladder_of(**none)).startswith("<strong>No evidence by any of five tests:</strong>")
    assert answer(replace(ladder_of(), model="posebox")).startswith("<strong>In part, in this toy model.</strong>")
    assert answer(ladder_of(code=(None, None, None))) == ""
    assert answer(ladder_of(cause=(58, None, None))) == ""
    # Without random projections nothing is said of model or heads.
    assert answer(ladder_of({}, cause=(4, 0, 4))).startswith("<strong>Open.</strong>")
    assert "The model carries" not in answer(ladder_of({}))


def test_projections_are_those_of_the_same_weights_and_prompts_alone(family):
    kept = load_projections(family)
    assert {*kept} == {*projections.PROJECTED}
    assert {len(counts) for counts in kept.values()} == {5}
    other = replace(family.trained.run, provenance=family.trained.run.provenance | {"weights_fingerprint": "other"})
    assert load_projections(replace(family, runs={"trained": replace(family.trained, run=other)})) == {}
    assert "have not been run here" in projections.beside(57, 75, ())
    assert "true of the model, not of its heads" in projections.beside(57, 75, kept["place"])
    assert "true of the model" not in projections.beside(75, 75, kept["place"])


# -- every head ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def family():
    return load_family([RUNS / "dense"])


def both(counting):
    return RunWithTwin.of(load_result(RUNS / "posebox"), load_result(RUNS / "posebox-untrained"), counting)


def test_every_column_is_its_questions_own_t(family):
    found = every_head(both("head"), family)
    run = family.trained
    wanted = {
        "t": summarise(load_result(RUNS / "posebox"), "head").t,
        "t untrained": summarise(load_result(RUNS / "posebox-untrained"), "head").t,
        "place": place_count(run, "head").t,
        "place untrained": place_count(family.runs["untrained 0"], "head").t,
        "code": score_count(run, "code_beyond").t,
        "deformation": score_count(run, "deformation_beyond").t,
    }
    assert [*found.columns] == [*wanted, "cause"]
    for name, t in wanted.items():
        np.testing.assert_allclose(found.columns[name], t)
    assert found.rows[7][:2] == ["joint[2] head 1", round(float(wanted["t"][7]), 2)]


@pytest.mark.parametrize(("counting", "n"), [("card", 510), ("card-attention", 150)])
def test_card_heads_have_response_and_place(family, counting, n):
    found = every_head(both(counting), family)
    assert [*found.columns] == ["t", "t untrained", "place", "place untrained"]
    assert {len(values) for values in found.columns.values()} == {len(found.names)} == {n}
    assert len(set(found.names)) == n


def test_without_twin_and_dense_run_there_is_t_alone():
    found = every_head(RunWithTwin.of(load_result(RUNS / "posebox")))
    assert [*found.columns] == ["t"]


def test_heads_are_named_by_block_and_kind():
    heads = HeadMap(n_joint=1, n_single=1, n_attention_heads=1, head_width=32, mlp_width=32, channels_per_head=16)
    assert heads.names("head") == ["joint[0] head 0", "single[0] head 0"]
    assert heads.names("card")[-2:] == ["single[0] mlp 0", "single[0] mlp 1"]
    assert heads.names("card")[1] == "joint[0] attention 1"
