"""*Cause*: the heads are chosen on other pairs, what is drawn is what was asked, and the sentence says what is seen."""

import re

import numpy as np
import pytest
from browser import LOADED, open_page, open_tab
from pipelines import n_hooks

import app
from plantain.data.chosen import RANDOM, Chooser
from plantain.data.folds import folds_of
from plantain.data.rankings import head_scores
from plantain.errors import InputError
from plantain.posebox.patched import Seen, judge_patched, see
from plantain.ui import cause, cause_runs, cause_view
from plantain.ui.engine import Engine, PatchJob

# A picture among three and the same among two differ by the rounding of float32 sums.
ONE_LEVEL = 1


@pytest.fixture(scope="module")
def runs():
    return cause_runs.cause_runs("posebox")


def asked(runs, pair=3, ranking="place", k=8, alpha=1.0, steps="all", direction="B into A"):
    return cause_view.Asked.of(runs, pair, ranking, k, alpha, steps, direction)


def seen(**changes):
    fields = {"nearest": "t-pose", "turned": False, "pose": False, "setting": True, "clothes": True, "distance": 31.4}
    return Seen(**fields | changes)


def drawn(runs, verdict=None, donor="lunge-reach", **settings):
    three = None if verdict is None else (seen(), verdict, seen(nearest=donor, pose=True, distance=0.0))
    pixels = np.zeros((3, 128, 128, 3), np.uint8)
    return cause_view.Drawn(asked(runs, **settings), pixels, three)


# -- which heads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ranking", "k"), [("place", 1), ("place", 15), ("t", 7), ("t", 75)])
def test_heads_are_the_first_of_a_ranking_without_the_pairs_own_fold(runs, ranking, k):
    dense, folds, pair = runs.run, folds_of(runs.prompts), 11
    sizes = np.zeros((len(folds), 75))
    score = head_scores(dense, sizes, sizes, train=folds != folds[pair])[ranking]
    chosen = Chooser(dense).heads(ranking, k, pair)
    np.testing.assert_array_equal(chosen, np.argsort(-score, kind="stable")[:k])
    channels = dense.head_map.runs_of_heads("head")[chosen].any(axis=0)
    np.testing.assert_array_equal(Chooser(dense).runs(ranking, k, pair), channels)


def test_random_heads_are_the_same_for_a_pair_and_a_number_and_others_for_another(runs):
    draws = [tuple(runs.chooser.heads(RANDOM, 8, pair)) for pair in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) == 8


def test_without_a_study_nothing_is_ranked_by_what_it_writes(runs):
    alone = Chooser(runs.run)
    assert not {"write", "norm"} & set(alone.rankings)
    with pytest.raises(InputError, match=r"Heads are ranked by .*; got 'write'"):
        alone.heads("write", 8, 0)
    with pytest.raises(InputError, match="from 1 to 75; got 76"):
        alone.heads("place", 76, 0)


def test_a_model_whose_heads_nothing_ranks_has_the_commands_in_their_place():
    assert cause_runs.cause_runs("acme/klein") is None
    said = cause_runs.not_run("acme/klein")
    assert "plantain dense --model acme/klein" in said
    assert "plantain patch --model acme/klein" in said


# -- what is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"k": 0}, "The number of heads must be a whole number from 1 to 75; got 0."),
        ({"k": 2.5}, "The number of heads must be a whole number from 1 to 75; got 2.5."),
        ({"alpha": 1.2}, "α lies between 0 and 1; got 1.2."),
        ({"alpha": None}, "α lies between 0 and 1; got None."),
        ({"pair": 25}, "The pair must be a whole number from 0 to 24; got 25."),
        ({"ranking": "code"}, "Expected a ranking, steps and a direction from the lists"),
        ({"steps": "some"}, "Expected a ranking, steps and a direction from the lists"),
    ],
)
def test_what_cannot_be_is_one_sentence(runs, settings, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        asked(runs, **settings)


@pytest.mark.parametrize(
    ("steps", "n", "expected"),
    [
        ("all", 3, (0, 1, 2)),
        ("first third", 12, (0, 1, 2, 3)),
        ("last third", 12, (8, 9, 10, 11)),
        ("last third", 4, (3,)),
    ],
)
def test_steps_are_those_of_the_drawing(steps, n, expected):
    job = PatchJob(None, None, 0, 1.0, steps, 0, (8, 8))
    assert job.steps_of(n) == expected


def test_the_job_has_the_noise_and_the_size_of_the_kept_pictures(runs):
    given = cause_view.job(runs, asked(runs, direction="A into B"))
    kept = runs.pictures.config
    assert (given.seed, given.size, given.side) == (kept.seed, (kept.height, kept.width), 1)
    assert given.pair is runs.prompts.pairs[3]


# -- what is drawn ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_app_draws_both_kept_pictures_and_with_every_head_at_no_alpha_the_first_again(runs, posebox, monkeypatch):
    monkeypatch.setitem(app.loaded, "pipe", posebox)
    monkeypatch.setattr(app, "served", "posebox")
    nothing = app.patched(cause_view.job(runs, asked(runs, k=75, alpha=0.0)))
    whole = app.patched(cause_view.job(runs, asked(runs, k=75)))
    kept = runs.pictures.pixels[3]
    for pictures in (nothing, whole):
        assert (pictures.dtype, pictures.shape) == (np.uint8, (3, 128, 128, 3))
        assert np.abs(pictures[:2].astype(int) - kept).max() <= ONE_LEVEL
    assert np.abs(nothing[2].astype(int) - nothing[0]).max() <= ONE_LEVEL
    assert np.abs(whole[2].astype(int) - whole[0]).mean() > ONE_LEVEL
    assert n_hooks(posebox.transformer) == 0


def test_what_is_seen_in_words_is_what_the_judge_counts(runs):
    picture, pair = runs.pictures.pixels[3, 1], runs.prompts.pairs[3]
    found = see(picture, pair.a, pair.b)
    counted = judge_patched(runs.prompts)(3, 0, picture)
    np.testing.assert_allclose(counted, [found.turned, found.pose, found.setting, found.clothes, found.distance])
    assert found.pose
    assert found.turned


# -- what is said ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (seen(nearest="lunge-reach", pose=True, distance=0.0), "nearest to <em>lunge reach</em>, which is B's pose"),
        (seen(), "nearest to <em>T-pose</em>, still A's own pose, 31° a joint from B's"),
        (
            seen(nearest="deep-bow"),
            "nearest to <em>deep bow</em>, not A's own pose, 31° a joint from B's (lunge reach)",
        ),
        (seen(setting=False), "place is no longer as the prompts say"),
        (seen(setting=False, clothes=False), "place and clothes are no longer as the prompts say"),
    ],
)
def test_the_sentence_names_the_nearest_pose_and_whose_it_is(runs, verdict, said):
    sentence = cause_view.sentence(drawn(runs, verdict))
    assert sentence.startswith("<strong>8 attention heads by place, α = 1, at every step</strong>")
    assert said in sentence


def test_where_nobody_can_judge_the_sentence_says_so(runs):
    assert "told where Posebox draws" in cause_view.sentence(drawn(runs))


def test_three_pictures_say_what_they_show(runs):
    html = cause_view.pictures(runs, 3, drawn(runs, seen(nearest="deep-bow"), steps="first third", alpha=0.5))
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', html)
    assert len(alts) == 3
    assert [alt[:2] for alt in alts] == ["A:", "A ", "B:"]
    assert "B's values in 8 attention heads by place, α = 0.5, at the first third of the steps" in alts[1].replace(
        "&#x27;", "'"
    )
    assert "nearest to deep bow" in alts[1]
    assert runs.prompts.pairs[3].a in alts[1].replace("&#x27;", "'")


def test_before_anything_is_drawn_the_kept_pictures_stand_beside_an_empty_frame(runs):
    html = cause_view.pictures(runs, 3)
    assert html.count("<img") == 2
    assert cause_view.NOT_DRAWN in html


def test_the_numbers_name_every_head_once(runs):
    shown = cause_view.numbers(runs, drawn(runs, seen(), k=15))
    listed = shown.rsplit("<tbody>", 1)[1]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", listed)[1::2]
    assert sum(len(cell.split(", ")) for cell in cells) == 15


def test_the_cost_is_said_before_where_a_gpu_is_lent(runs, monkeypatch):
    monkeypatch.setattr(cause, "cause_runs", lambda model: runs)
    engine = Engine("m", None, None, None, patched=lambda job: None, patched_seconds=lambda job: 40)
    assert "asks for 40 seconds of GPU" in cause._cost(engine)


# -- in the browser --------------------------------------------------------------------------------


def patched(page):
    return page.locator(".plantain-cause figure").nth(1)


def test_posebox_draws_on_request_and_again_when_a_control_is_let_go(server, browser):
    with open_page(browser, server[0]) as page:
        open_tab(page, "Is it pose?")
        patched(page).get_by_text(cause_view.NOT_DRAWN).wait_for()
        page.get_by_role("button", name="Draw it").click()
        said = page.locator("#plantain-cause-status [role=status]").filter(has_text="Drawn in")
        said.filter(has_text="15 attention heads by deformation, α = 1, at every step: the patched figure").wait_for(
            timeout=LOADED
        )
        first = patched(page).locator("img").get_attribute("src")
        page.get_by_label("number input for Attention heads").filter(visible=True).fill("75")
        page.keyboard.press("Tab")
        said.filter(has_text="75 attention heads by deformation").filter(has_text="nearest to").wait_for(timeout=LOADED)
        assert patched(page).locator("img").get_attribute("src") != first
        page.locator("input[name=plantain-cause-pair]").nth(4).click()
        page.locator(".plantain-cause img[alt^='B: ']").first.wait_for()
        said.filter(has_text="nearest to").wait_for(timeout=LOADED)
        page.get_by_role("button", name="The heads, and what is seen").click()
        page.get_by_text("What the pictures show, by the renderer").wait_for()


@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_does_not_scroll_sideways(server, browser, width):
    with open_page(browser, server[0], width=width) as page:
        open_tab(page, "Is it pose?")
        page.locator(".plantain-cause").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
