"""What the page hands over as files, and what it brings back: by a link, and after a reload."""

import csv
import re

import pytest
from browser import (
    BEYOND_A_BATCH,
    FEW_PAIRS,
    LOADED,
    MANY_PAIRS,
    N_MANY,
    arrived,
    open_drawer,
    open_page,
    open_tab,
    saved,
    shows,
    upload,
)

A, B = "A nurse standing in a gym", "A nurse leaping in a gym"
DONE = re.compile("Its shift is [0-9.]+ times the median pose pair's")


@pytest.fixture
def page(server, browser):
    with open_page(browser, server[0]) as opened:
        yield opened


def read(folder, name):
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def copied(page):
    page.get_by_role("button", name="Copy a link").click()
    page.locator("#plantain-link").wait_for()
    return "?" + page.locator("#plantain-link").get_attribute("href").split("?", 1)[1]


def test_where_is_saved_as_it_is_shown(page, tmp_path):
    head = page.locator(".plantain-heads output").filter(visible=True).first.inner_text()
    names = saved(page, "where", tmp_path)
    assert {"where.svg", "where.pdf", "where.csv", "attention_heads.csv", "said.txt"} == names
    assert head in (tmp_path / "said.txt").read_text()
    assert len(read(tmp_path, "where.csv")) == 65
    assert head in [row[0] for row in read(tmp_path, "attention_heads.csv")]


def test_is_it_pose_and_every_question_is_saved(page, tmp_path):
    open_tab(page, "Is it pose?")
    names = saved(page, "controls", tmp_path / "controls")
    assert {"is_it_pose.md"} < names
    assert len([name for name in names if name.endswith(".csv")]) > 1
    open_drawer(page, "Canonical at all")
    names = saved(page, "dose", tmp_path / "dose")
    assert {"dose.md", "dose.svg", "dose.pdf"} < names
    names = saved(page, "cause", tmp_path / "cause")  # nothing is drawn: the studies' curves
    assert {"curves.md"} < names


def test_nothing_to_save_is_a_sentence(page):
    open_tab(page, "Run")
    assert page.locator("#plantain-export-run").filter(visible=True).count() == 0  # there is no view yet


def test_a_typed_pair_is_saved_and_its_link_brings_the_finding_back_at_once(server, browser, tmp_path):
    with open_page(browser, server[0], f"?tab=pair&a={A}&b={B}&seed=5&seeds=4") as page:
        # A link's pair is probed without a press, where that takes seconds.
        shows(page, DONE, LOADED)
        page.locator("img[alt*='draws:']").first.wait_for(timeout=LOADED)
        page.get_by_text("One pair gives no null").filter(visible=True).first.wait_for(timeout=LOADED)
        found = page.locator(".plantain-answer .plantain-claim").inner_text()
        names = saved(page, "pair", tmp_path)
        link = copied(page)
    assert {"t.svg", "t.pdf", "shift.svg", "shift.pdf", "where.pdf", "prompt_a.png", "prompts.csv"} < names
    assert read(tmp_path, "prompts.csv") == [["a", "b"], [A, B]]
    assert found in (tmp_path / "said.txt").read_text()
    assert len(read(tmp_path, "heads.csv")) == 511
    with open_page(browser, server[0], link) as page:
        shows(page, "As found before")
        assert page.locator(".plantain-answer .plantain-claim").inner_text() == found
        page.locator("img[alt*='draws:']").first.wait_for()
        assert page.locator(".plantain-stale").count() == 0


def test_a_link_to_what_cannot_be_probed_probes_nothing(server, browser):
    with open_page(browser, server[0], f"?tab=pair&a={A}&b={A}") as page:
        page.get_by_role("button", name="Probe this pair").wait_for()
        page.wait_for_timeout(1500)
        assert page.locator("#plantain-pair-status [role=status]").count() == 0


def test_a_link_to_cause_draws_the_same_again(server, browser):
    with open_page(browser, server[0], "?tab=controls&cause=3&by=place&k=4&alpha=0.5&at=all&into=A") as page:
        shows(page, re.compile("the patched figure is nearest to .*Drawn in"), LOADED)
        assert page.locator("input[name=plantain-cause-pair]:checked").get_attribute("value") == "2"
        said = page.locator("#plantain-cause-status").inner_text()
        assert said.startswith("4 attention heads by place, α = 0.5, at every step")
        link = copied(page)
    assert link == "?tab=controls&cause=3&by=place&k=4&alpha=0.5&at=all&into=A"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("cause=26", "The pair must be a whole number from 1 to 25"),
        ("cause=1&by=luck", "expected a ranking of"),
        ("cause=1&k=0", "The number of heads must be a whole number from 1 to 75"),
        ("cause=1&alpha=1e9", "α lies between 0 and 1"),
        ("cause=1&at=noon", "expected steps of"),
        ("cause=1&into=C", "expected a side of A, B"),
    ],
)
def test_what_a_link_asks_of_cause_wrongly_is_a_sentence(query, sentence):
    import gradio as gr

    from plantain.ui import engine, links
    from plantain.ui.cause import CauseView

    with gr.Blocks():
        view = CauseView(engine.Engine("posebox", None, None, None))
    found, problems = links.read(dict(part.split("=") for part in f"tab=controls&{query}".split("&")), view.checks)
    assert len(problems) == 1
    assert sentence in problems[0]
    assert set(found) <= {"tab", "cause"}


def test_a_run_is_found_again_after_a_reload_and_by_no_other_visitor(server, browser, page, tmp_path):
    (tmp_path / "few.csv").write_text(FEW_PAIRS)
    open_tab(page, "Run")
    upload(page, tmp_path / "few.csv")
    page.get_by_role("button", name="Run the probe", exact=True).click()
    shows(page, "Done: 5 pairs", LOADED)
    claim = page.locator(".plantain-claim").filter(visible=True).first.inner_text()
    page.reload(wait_until="domcontentloaded")
    arrived(page)
    open_tab(page, "Run")
    shows(page, "The page was opened anew; your run is still here: 5 pairs.")
    assert page.locator(".plantain-claim").filter(visible=True).first.inner_text() == claim
    open_drawer(page, "Download")
    names = saved(page, "run", tmp_path / "run")
    assert {"report.md", "overview.svg", "overview.pdf", "run.json", "prompts.json"} < names
    with open_page(browser, server[0], "?tab=run") as other:
        other.get_by_role("button", name="Run the probe", exact=True).wait_for()
        other.wait_for_timeout(1000)
        assert other.get_by_text("your run is still here").count() == 0


def test_a_run_reloaded_half_way_goes_on(server, browser, tmp_path):
    (tmp_path / "many.csv").write_text(MANY_PAIRS)
    # The stream of the run that the reload breaks off.
    with open_page(browser, server[0], allowed=("AbortError", "Connection errored out")) as page:
        open_tab(page, "Run")
        upload(page, tmp_path / "many.csv")
        page.get_by_label("number input for Noise seeds").filter(visible=True).first.fill("8")
        page.get_by_role("button", name="Run the probe", exact=True).click()
        shows(page, BEYOND_A_BATCH, LOADED)
        page.reload(wait_until="domcontentloaded")
        arrived(page)
        open_tab(page, "Run")
        shows(page, re.compile(f"your run is still here: [0-9]+ of {N_MANY} pairs"), LOADED)
        page.get_by_role("button", name="Go on with the rest").click()
        shows(page, f"Done: {N_MANY} pairs", LOADED)


def test_an_address_that_followed_the_visitor_probes_nothing(server, browser):
    """The events of a page that opens may come after the first clicks: what they go by is the link, not the address."""
    with open_page(browser, server[0]) as page:
        open_tab(page, "Your pair")
        page.wait_for_function("() => new URLSearchParams(location.search).get('tab') === 'pair'")
        assert page.evaluate("plantain.asked.get('tab')") is None
        page.wait_for_timeout(1500)
        assert page.locator("#plantain-pair-status [role=status]").count() == 0
