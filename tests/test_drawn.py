"""The manipulation check: Wilson's interval, who is right, which pairs are verified, and who judges."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

import plantain
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.pose.keypoints import judge_points
from plantain.posebox.proof import judge_pairs
from plantain.posebox.truth import bodies_of
from plantain.posebox.words.reading import read
from plantain.posebox.world.render import render
from plantain.questions.drawn import drawn
from plantain.stats.rates import wilson

DENSE = plantain.load_prompts("dense_pose")
EXACT = 1e-12


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 25), (25, 25), (24, 25), (3, 7), (500, 1000)])
def test_wilson_is_that_of_statsmodels(k, n, level):
    wanted = proportion_confint(k, n, alpha=1 - level, method="wilson")
    np.testing.assert_allclose(wilson(k, n, level), wanted, atol=EXACT)


@pytest.mark.parametrize(("k", "n", "level"), [(1, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0)])
def test_wilson_refuses_what_is_no_share(k, n, level):
    with pytest.raises(InputError):
        wilson(k, n, level)


def test_each_side_is_counted_and_pairs_are_verified():
    found = drawn([(True, False), (True, True), (None, False), (False, None)], judge="hand")
    assert found.verified.tolist() == [True, False, False, False]
    a, b = found.sides
    assert (a.name, a.says, a.n_right, a.n_wrong, a.n_open, a.n) == ("A", "a T-pose", 2, 1, 1, 4)
    assert (b.name, b.says, b.n_right, b.n_wrong, b.n_open, b.n) == ("B", "another pose", 2, 1, 1, 4)
    assert (a.low, a.high) == wilson(2, 4)
    assert (found.low, found.high) == wilson(1, 4)
    assert found.finding == (
        "Judged by hand, 1 of 4 pairs show what both of their prompts say (25 %; Wilson's 95 % interval 5 to 70 %)."
    )
    assert found.sentences[1] == ("A should show a T-pose: 2 of 4 do (15 to 85 %); 1 cannot be told, and count as not.")
    assert len(found.tables[0].cells) == 3
    assert found.text


def test_what_the_prompts_say_may_be_the_other_way_round():
    swapped = drawn([(False, True), (False, False)], says=(False, True))
    assert swapped.verified.tolist() == [True, False]
    assert [side.says for side in swapped.sides] == ["another pose", "a T-pose"]
    neither = drawn(np.array([[False, False]]), says=[[False, False]], names=("A-pose", "leap"))
    assert neither.n_verified == 1
    assert "A-pose should show another pose: 1 of 1 do" in neither.text


@pytest.mark.parametrize(
    ("judged", "says", "match"),
    [
        ([], (True, False), "must be"),
        ([True, False], (True, False), "must be"),
        ([(True, 1)], (True, False), "got 1"),
        ([(True, float("nan"))], (True, False), "got nan"),
        ([(True, False)] * 3, [(True, False)] * 2, "rows of two"),
        ([(True, False)] * 2, [(True, False), (False, False)], "one side must all"),
    ],
    ids=str,
)
def test_verdicts_that_cannot_be_counted_are_refused(judged, says, match):
    with pytest.raises(InputError, match=match):
        drawn(judged, says)


def test_renderer_and_keypoints_verify_what_is_rendered():
    few = PromptSet("few", DENSE.pairs[:3])
    pictures = np.stack([render(read(text).scene) for text in few.prompts]).reshape(3, 2, 128, 128, 3)
    by_pixels = judge_pairs(pictures, few)
    by_points = judge_points(bodies_of(DENSE, (8, 8)).points)
    assert drawn(by_pixels, judge="the renderer").verified.tolist() == [True] * 3
    assert drawn(by_points).n_verified == 25
    swapped = judge_pairs(pictures[:, ::-1], few)
    assert drawn(swapped).n_verified == 0


def test_the_renderer_does_not_judge_what_it_cannot_draw():
    unknown = PromptSet.from_pairs([("a goalkeeper in a T-pose", "a robot kneeling")])
    pictures = np.stack([render(read("a robot in a T-pose").scene), render(read("a robot kneeling").scene)])[None]
    assert judge_pairs(pictures, unknown).tolist() == [[None, False]]
    with pytest.raises(InputError, match="uint8"):
        judge_pairs(pictures.astype(float), unknown)
    with pytest.raises(InputError, match=r"\(1, 2, 128, 128, 3\)"):
        judge_pairs(pictures[:, :1], unknown)
