"""The page in a real browser, through the real server: every tab's main path, and wrong input beside its field."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import (
    BEYOND_A_BATCH,
    FEW_PAIRS,
    LOADED,
    MANY_PAIRS,
    N_MANY,
    arrived,
    choose,
    open_drawer,
    open_page,
    open_tab,
    saved,
    shows,
    upload,
)

from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.questions.counted import Counted
from plantain.questions.response import summarise
from plantain.ui import links

SHIPPED = load_result(RUNS / "posebox")
TWIN = load_result(RUNS / "posebox-untrained")
CARD, HEAD = summarise(SHIPPED), summarise(SHIPPED, "head")
FIRST_VALUE = CARD.rows[0][1]  # such as "269 (52.7%)"
TABS = [*links.TABS.values()]


@pytest.fixture
def page(server, browser):
    with open_page(browser, server[0]) as opened:
        yield opened


@pytest.fixture(scope="module")
def kept(server, browser):
    """One page for all tests that leave it as they found it."""
    with open_page(browser, server[0]) as opened:
        yield opened


@pytest.fixture(scope="module")
def asked(server, browser):
    """One page for what is refused, and for tabs that are only read: every test opens its tab and fills its fields."""
    with open_page(browser, server[0]) as opened:
        yield opened


@pytest.fixture
def few(tmp_path):
    (tmp_path / "few.csv").write_text(FEW_PAIRS)
    return tmp_path / "few.csv"


# -- Results ---------------------------------------------------------------------------------------


def test_results_are_there_at_first_paint_with_the_twin_beside_them(kept):
    twin = summarise(TWIN)
    shows(kept, f"{CARD.counts[0]} of 510 card heads ({100 * CARD.shares[0]:.1f} %) respond")
    shows(kept, f"{twin.counts[0]} ({100 * twin.shares[0]:.1f} %)")
    open_drawer(kept, "Numbers")
    null = Counted(TWIN).card_null
    assert null.n_flips == 100_000
    shows(kept, f"The untrained twin's count is {twin.counts[0] / null.p99:.1f} times what 99 % of 100,000 sign flips")
    shows(kept, FIRST_VALUE)


def test_bodies_come_first_and_open_their_pair(page):
    """Before the answer, and before anybody has scrolled on a phone."""
    page.set_viewport_size({"width": 375, "height": 812})
    body, claim = page.locator(".plantain-bodies img").first, page.locator(".plantain-claim").first
    assert body.bounding_box()["y"] < claim.bounding_box()["y"] < 812
    assert body.bounding_box()["y"] < 450
    assert claim.inner_text().startswith("In part, in this toy model. The model carries where the body moved")
    button = page.locator(".plantain-bodies button").nth(1)
    number = int(re.match("Pair ([0-9]+)", button.get_attribute("aria-label"))[1])
    button.click()
    page.locator(f".plantain-pairs input[value='{number - 1}']:checked").wait_for(state="attached")
    text = SHIPPED.prompts.pairs[number - 1].b[:40]
    page.locator(f".plantain-map[aria-label*='{text}']").first.wait_for()


def test_a_rung_opens_and_says_how_it_is_asked(kept):
    rung = kept.locator(".plantain-ladder .plantain-rung[data-rung=respond]")
    rung.locator("summary").click()
    shows(kept, "The card's statistic: the root mean square of a head's output")
    assert f"trained {HEAD.counts[0]} (" in rung.inner_text()
    rung.locator("summary").click()


def test_every_head_is_in_a_table_that_is_filled_when_it_is_opened(page):
    open_drawer(page, "Every head")
    table = page.get_by_role("grid").filter(visible=True).first
    table.get_by_text("joint[0] attention 0", exact=True).first.wait_for()
    shows(page, f"{CARD.t[0]:.2f}".rstrip("0").rstrip("."))


def test_the_main_figure_says_its_finding_and_has_its_numbers(kept):
    open_drawer(kept, "Every block")
    figure = kept.locator(f"svg[role=img][aria-label*='{CARD.counts[0]} of 510']").filter(visible=True).first
    figure.wait_for()
    assert CARD.blocks[0].name in figure.get_attribute("aria-label")
    kept.get_by_text("The same as numbers").filter(visible=True).first.click()
    shows(kept, f"{CARD.blocks[0].max_abs_t:.2f}")


def test_the_published_card_can_be_chosen(page):
    choose(page, "Run", re.compile("published figures"))
    open_drawer(page, "Numbers")
    shows(page, "8,263 (50.6%)")
    shows(page, "per-head data were not released")
    shows(page, "An untrained twin of this model has not been run")


def test_counting_attention_heads_changes_the_table(page):
    open_drawer(page, "Numbers")
    page.get_by_text("Attention heads: the model's own").first.click()
    shows(page, HEAD.rows[0][1])


def test_a_download_is_a_run_that_loads_again_with_every_figure_and_the_ladder(kept, tmp_path):
    open_drawer(kept, "Download")
    names = saved(kept, "everything", tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["card"]["n_heads"] == 510
    assert len((tmp_path / "heads.csv").read_text().splitlines()) == 511
    figures = {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    assert {"overview", "null", "ladder"} <= figures
    for figure in figures:
        assert b"<svg" in (tmp_path / f"{figure}.svg").read_bytes()
        assert (tmp_path / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
    named = set(re.findall(r"\(([a-z_]+\.(?:svg|png|csv|json))\)", (tmp_path / "report.md").read_text()))
    assert named
    assert named <= names
    assert "50.6" in (tmp_path / "model_card.md").read_text()
    assert (load_result(tmp_path).mean_square == SHIPPED.mean_square).all()


def test_the_command_that_makes_the_run_again_can_be_copied(kept):
    kept.get_by_role("button", name="Reproduce this").first.click()
    kept.get_by_role("button", name="Copy the command").filter(visible=True).click()
    shows(kept, "Copied")
    assert kept.evaluate("navigator.clipboard.readText()").startswith("python -m plantain run --model posebox ")


def test_a_run_deleted_meanwhile_is_a_sentence_and_no_old_numbers(page, server):
    folder = SHIPPED.save(Path(server[1]) / "runs" / "short-lived")
    page.reload(wait_until="domcontentloaded")
    arrived(page)
    page.get_by_label("Run", exact=True).filter(visible=True).click()
    option = page.get_by_role("option", name="short-lived").first
    option.wait_for()
    shutil.rmtree(folder)
    option.click()
    shows(page, "There is no run 'saved-here/short-lived' here any more")
    assert page.get_by_text(FIRST_VALUE).filter(visible=True).count() == 0


def test_comparing_with_the_untrained_twin_shows_tables_and_t_maps(page):
    page.get_by_role("button", name="Compare with another run").click()
    choose(page, "Other run", "posebox-untrained")
    r = np.corrcoef(CARD.t, summarise(TWIN).t)[0, 1]
    shows(page, f"over 510 heads: {r:+.3f}".replace("-", "−"))
    page.locator("svg[aria-label*='posebox-untrained']").filter(visible=True).first.wait_for()


def test_comparing_with_the_card_counts_alike(page):
    open_drawer(page, "Numbers")
    page.get_by_text("Attention heads: the model's own").first.click()
    page.get_by_role("button", name="Compare with another run").click()
    choose(page, "Other run", re.compile("published figures"))
    shows(page, "Counted: Card heads: 16 channels, MLP among them")
    shows(page, "8,263 (50.6%)")
    shows(page, FIRST_VALUE)


# -- Run the probe ---------------------------------------------------------------------------------


def set_number(page, label, value):
    page.get_by_label(f"number input for {label}").filter(visible=True).first.fill(str(value))


def start_probe(page):
    page.get_by_role("button", name="Run the probe", exact=True).click()


def test_the_probe_runs_live_stands_a_refused_run_is_saved_and_can_be_compared(page, server, tmp_path):
    (tmp_path / "long.csv").write_text("a,b\n" + "zyx " * 120 + ",a\nb,c\nd,e\n")
    open_tab(page, "Run")
    shows(page, "25 pairs × 2 prompts = 50 passes through the model")
    start_probe(page)
    shows(page, "Done: 25 pairs", LOADED)
    shows(page, FIRST_VALUE)
    # It stands beside the first pairs of its twin: "has not been run" is said of Klein's alone.
    assert page.get_by_text("has not been run").filter(visible=True).count() == 1
    upload(page, tmp_path / "long.csv")
    start_probe(page)
    shows(page, "Not run.", LOADED)
    shows(page, FIRST_VALUE)
    page.get_by_role("button", name="Compare with a cached run").click()
    choose(page, "Cached run", re.compile("^posebox, dense_pose"))
    shows(page, "over 510 heads: +1.000")
    page.get_by_role("button", name="Save this run").click()
    shows(page, f"Saved in {server[1]}")
    kept_runs = list((Path(server[1]) / "runs").glob("*/run.json"))
    assert load_result(kept_runs[0].parent).complete
    open_tab(page, "Results")
    page.get_by_label("Run", exact=True).filter(visible=True).click()
    page.get_by_role("option", name="saved here").first.wait_for()


def test_what_a_run_will_cost_follows_the_settings_and_comparing_needs_a_run(page):
    open_tab(page, "Run")
    set_number(page, "Noise seeds", 4)
    set_number(page, "Denoising steps", 2)
    shows(page, "× 4 seeds × 2 steps = 400 passes")
    page.get_by_role("button", name="Compare with a cached run").click()
    choose(page, "Cached run", re.compile("^posebox, dense_pose"))
    shows(page, "Run the probe first")


def test_several_steps_can_be_looked_at_one_by_one(page, few):
    open_tab(page, "Run")
    upload(page, few)
    set_number(page, "Denoising steps", 2)
    start_probe(page)
    shows(page, "Done: 5 pairs", LOADED)
    shows(page, "Denoising step shown")
    first = page.locator(".plantain-claim").filter(visible=True).inner_text()
    page.get_by_text(re.compile("2, noise level")).filter(visible=True).first.click()
    page.wait_for_function(
        "before => [...document.querySelectorAll('.plantain-claim')].every(e => e.innerText !== before || "
        "!e.checkVisibility())",
        arg=first,
    )
    shows(page, "at step 2 of 2, noise level")
    page.get_by_role("button", name="Compare with a cached run").click()
    choose(page, "Cached run", re.compile("^posebox, dense_pose"))
    shows(page, "The two runs differ in more than the model.")
    shows(page, "noise level: 0.877 against 1")


def test_a_count_that_sign_flips_give_as_well_is_not_called_a_response(page, tmp_path):
    rows = "".join(f"a {who} kneeling,a {who} leaping\n" for who in ("cat", "dog", "fox", "cow"))
    (tmp_path / "four.csv").write_text("a,b\n" + rows)
    open_tab(page, "Run")
    upload(page, tmp_path / "four.csv")
    start_probe(page)
    shows(page, "That is no more than sign flips give", LOADED)
    shows(page, "read the set-level p, and give 8 pairs or more")


def test_a_stopped_run_keeps_the_pairs_done_and_goes_on(page, tmp_path):
    (tmp_path / "many.csv").write_text(MANY_PAIRS)
    open_tab(page, "Run")
    upload(page, tmp_path / "many.csv")
    set_number(page, "Noise seeds", 8)  # long enough that a quick machine is not done before a slow browser stops it
    start_probe(page)
    shows(page, BEYOND_A_BATCH, LOADED)
    page.get_by_role("button", name="Stop, and keep").click()
    shows(page, "they are kept below", LOADED)
    page.get_by_text("Stop, and keep").and_(page.locator(":disabled")).wait_for()
    assert page.get_by_role("button", name="Run the probe", exact=True).is_enabled()
    assert page.get_by_role("button", name="Save this run").is_enabled()
    set_number(page, "Noise seeds", 2)
    shows(page, "Go on with the rest keeps the settings of the stopped run")
    page.get_by_role("button", name="Go on with the rest").click()
    shows(page, f"Done: {N_MANY} pairs", LOADED)
    assert page.get_by_role("button", name="Go on with the rest").is_disabled()


def test_a_run_stopped_at_once_can_be_run_again(page):
    open_tab(page, "Run")
    set_number(page, "Noise seeds", 16)
    start_probe(page)
    page.get_by_role("button", name="Stop, and keep").click(timeout=LOADED)  # waits until it can be pressed
    shows(page, re.compile("Stopped after [0-9]+"), LOADED)
    page.wait_for_timeout(1000)  # no late report may replace it
    shows(page, re.compile("Stopped after [0-9]+"))
    assert page.get_by_role("button", name="Run the probe", exact=True).is_enabled()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("no_columns.csv", "x,y\n1,2\n", "needs the columns 'a' and 'b'"),
        ("one.csv", "a,b\na cat,a dog\n", "at least 3 pairs"),
        (
            "many.csv",
            "a,b\n" + "".join(f"c,d{i}\n" for i in range(1001)),
            "The page runs at most 1,000 pairs; got 1,001",
        ),
        ("same.csv", "a;b\n" + "a cat;a dog\n" * 8, "Left out 7 repeated pairs"),
        ("pairs.json", "{", "is not valid JSON"),
    ],
    ids=["columns", "one pair", "too much work", "one pair again and again", "JSON"],
)
def test_a_file_that_will_not_do_is_named_beside_its_field(page, tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    open_tab(page, "Run")
    upload(page, tmp_path / name)
    page.locator(".plantain-error").filter(has_text="This file will not do").filter(has_text=sentence).wait_for()
    start_probe(page)
    page.get_by_text(sentence).filter(visible=True).nth(1).wait_for(timeout=LOADED)  # beside the field, too


def test_the_first_pairs_of_a_file_are_shown_as_soon_as_it_is_there(page, few):
    open_tab(page, "Run")
    upload(page, few)
    shows(page, "5 pairs are read; the first 3")
    shows(page, "5 pairs read, separated by commas, UTF-8.")
    shows(page, "a dog leaping")
    assert page.get_by_text("a hen leaping").count() == 0


# -- Your pair -------------------------------------------------------------------------------------


def test_your_pair_shows_t_over_seeds_its_caveat_and_the_two_pictures(page):
    open_tab(page, "Your pair")
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, "This is n = 1 in prompts", LOADED)
    shows(page, "Along the T-pose-to-expressive axis")
    shows(page, re.compile("further along than [0-9]+ % of held-out pairs of the control set setting"))
    page.locator("svg[aria-label*='your prompts']").filter(visible=True).first.wait_for()
    picture = page.locator("img[alt*='draws: A tall thin robot in a red vest and blue jeans, leaping']")
    picture.wait_for(state="attached", timeout=LOADED)
    picture.evaluate("image => image.scrollIntoView()")  # it loads, and has a size, when it comes into view
    page.wait_for_function(
        "alt => [...document.images].find(i => i.alt.includes(alt)).naturalWidth == 128", arg="leaping"
    )


def test_an_example_is_chosen_by_what_it_asks(page):
    open_tab(page, "Your pair")
    page.get_by_role("button", name="A-pose or a half-crouch, over 25 subjects").click()
    page.wait_for_function("() => [...document.querySelectorAll('textarea')].some(t => t.value.includes('{subject}'))")
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, "t over 25 subjects", LOADED)


def test_words_that_posebox_does_not_know_are_named_before_running(asked):
    open_tab(asked, "Your pair")
    asked.get_by_label("Prompt A").fill("A nurse kneeling in a gym")
    asked.get_by_label("Prompt B").fill("A nurse swimming in a gym")
    shows(asked, "Posebox was not trained on swimming")


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ("", "a dog", "is empty"),
        ("a cat", "a cat", "Both prompts are the same"),
        ("word " * 10_000, "a dog", "has 10,000 words"),
        ("a cat", "\x07", "Prompt B holds a control character"),
        ("{Subject} sitting", "{Subject} standing", "the only placeholder is {subject}"),
        ("{subject} sitting", "a dog", "in both prompts or in neither"),
        ("zyx " * 120, "a dog", "reads at most 96"),
    ],
    ids=["empty", "identical", "10,000 words", "control", "placeholder", "half a placeholder", "too many tokens"],
)
def test_a_wrong_prompt_is_named_on_the_page(asked, a, b, sentence):
    open_tab(asked, "Your pair")
    asked.get_by_label("Prompt A").fill(a)
    asked.get_by_label("Prompt B").fill(b)
    asked.get_by_role("button", name="Probe this pair").click()
    shows(asked, sentence, LOADED)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("-1", "seed must be a whole number"),
        ("1.5", "seed must be a whole number from 0 to 9,007,199,254,740,992; got 1.5"),
    ],
)
@pytest.mark.parametrize("tab", ["Run", "Your pair"])
def test_a_wrong_seed_is_named_beside_its_field(asked, tab, value, sentence):
    open_tab(asked, tab)
    asked.get_by_label("First noise seed").filter(visible=True).fill(value)
    asked.get_by_role("button", name="Run the probe" if tab == "Run" else "Probe this pair", exact=True).click()
    shows(asked, sentence)
    asked.get_by_label("First noise seed").filter(visible=True).fill("0")


MARKUP = "![x](http://evil.invalid/track.png) <img src=http://evil.invalid/x.png> <h1>Sign in</h1> "


def test_markup_in_a_prompt_stays_text(page, tmp_path):
    """A page that would fetch the picture fails in ``open_page``: no request may leave for another host."""
    open_tab(page, "Your pair")
    page.get_by_label("Prompt A").fill(MARKUP + "zyx " * 120)
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, "reads at most 96", LOADED)
    shows(page, "![x](http://evil.invalid")
    (tmp_path / "markup.csv").write_text(f"a,b\n{MARKUP}{'zyx ' * 120},a\nb,c\nd,e\n")
    open_tab(page, "Run")
    upload(page, tmp_path / "markup.csv")
    start_probe(page)
    shows(page, "Not run.", LOADED)
    assert page.locator("img[src*='evil'], h1:has-text('Sign in')").count() == 0


# -- Controls --------------------------------------------------------------------------------------


def test_the_controls_answer_is_it_pose_in_one_picture_and_in_tables(asked, shipped_comparison):
    open_tab(asked, "Is it pose?")
    figure = asked.locator("svg[aria-label*='the lexical sets']").filter(visible=True).first
    figure.wait_for(timeout=LOADED)
    report = shipped_comparison
    own = [report.count(weights, "dense_pose", "attention heads").counts[0] for weights in report.weights]
    shows(asked, f"{own[0]} respond to dense_pose, and {own[1]} and {own[2]} where the transformer has learned nothing")
    for heading in ("Does the pose axis carry over", "At other noise levels", "Canonical at all", "Is it length?"):
        shows(asked, heading)
    open_drawer(asked, "Is it length?")
    shows(asked, "equal", LOADED)
    open_drawer(asked, "Every set, as tables")
    asked.get_by_text("Pose among the lexical sets").filter(visible=True).first.click(timeout=LOADED)
    shows(asked, "mean d²")


# -- Method, and the page as a whole ---------------------------------------------------------------


def test_the_method_says_what_a_head_is(asked):
    open_tab(asked, "Method")
    shows(asked, "11,520 of the 16,320 card heads (70.6 %) are MLP channels")
    shows(asked, "An untrained network passes.")


# 640 pixels are 1,280 at a zoom of 200 %.
@pytest.mark.parametrize("width", [320, 640, 1280])
def test_nothing_scrolls_sideways_lies_over_a_field_or_leaves_a_gap_under_the_buttons(server, browser, width):
    with open_page(browser, server[0], width=width) as page:
        for tab in TABS:
            open_tab(page, tab)
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
            if tab == "Run":
                fields_have_their_room(page)


def fields_have_their_room(page):
    label, text, last, next_one = (
        found.filter(visible=True).first.bounding_box()
        for found in (
            page.get_by_text("or your own, used instead"),
            page.get_by_text("Drop File Here"),
            page.get_by_role("button", name="Save this run"),
            page.get_by_text("What counts as a head", exact=True),
        )
    )
    assert label["y"] + label["height"] <= text["y"]
    assert 0 < next_one["y"] - last["y"] - last["height"] < 100
    size = page.get_by_label("Pixels a side", exact=True)
    assert size.evaluate(
        "e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().right - parseFloat(getComputedStyle(e)"
        ".paddingRight) <= e.parentElement.querySelector('.icon-wrap').getBoundingClientRect().left"
    )
