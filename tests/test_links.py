"""Links that open the page in a state, and the embedded view, in a real browser."""

import html
import re
from types import SimpleNamespace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from browser import choose, open_drawer, open_page, open_tab, shows

from plantain.data.result import load_result
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.response import summarise
from plantain.questions.typed_pair import job
from plantain.ui import links
from plantain.ui.pair_answer import Kept
from plantain.ui.tabs.pair import PairTab


def head_summary(name):
    return summarise(load_result(RUNS / name), "head")


def test_a_link_restores_run_and_counting(server, browser):
    with open_page(browser, server[0], "?tab=results&run=shipped/posebox-random&counting=head") as page:
        shows(page, head_summary("posebox-random").rows[0][1])
        shows(page, "This transformer has learned nothing")


def test_a_link_opens_the_pair_tab_with_its_prompts_and_seed(server, browser):
    a, b = "A nurse kneeling, in a gym & <b>", 'A "nurse" leaping'
    with open_page(browser, server[0], f"?tab=pair&a={quote(a)}&b={quote(b)}&seed=7") as page:
        page.get_by_label("Prompt A").wait_for()
        page.wait_for_function("a => [...document.querySelectorAll('textarea')].some(t => t.value === a)", arg=a)
        assert page.get_by_label("Prompt B").input_value() == b
        assert page.get_by_label("First noise seed").filter(visible=True).input_value() == "7"


@pytest.mark.parametrize(
    ("query", "sentences"),
    [
        (
            "?tab=nowhere&run=../../etc&counting=all&a=" + "word%20" * 600,
            ["There is no tab", "There is no run", "There is no counting", "has 600 words"],
        ),
        (
            "?tab=pair&seed=-1&seeds=" + "9" * 5000,
            ["seed must be a whole number", "Noise seeds must be a whole number from 3 to 32"],
        ),
        ("?tab=run&seeds=0000000089999", ["Noise seeds must be a whole number from 1 to 16; got 89999"]),
    ],
    ids=["no tab", "pair", "run"],
)
def test_every_wrong_part_of_a_link_is_a_sentence_and_the_page_still_opens(server, browser, query, sentences):
    with open_page(browser, server[0], query) as page:
        for sentence in sentences:
            shows(page, sentence)
        open_tab(page, "Results")
        page.locator(".plantain-claim").filter(visible=True).first.wait_for()


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ("a man {x} standing", "a man leaping", "Prompt A holds {x}; the only placeholder is {subject}"),
        ("a man standing", "a {subject} leaping", "Write {subject} in both prompts or in neither"),
        ("a man", "a\u200b man", "Both prompts look the same"),
        ("a man", "", "Prompt B is empty"),
    ],
)
def test_a_link_whose_pair_cannot_be_run_says_what_the_button_would(a, b, sentence):
    answer = SimpleNamespace(status="status", kept=Kept())
    shown = PairTab({}, answer, None)._reopened(SimpleNamespace(query_params={"tab": "pair", "a": a, "b": b}))
    assert sentence in html.unescape(shown["status"])
    with pytest.raises(InputError, match=re.escape(sentence)):
        job(a, b, 8)


def test_braces_in_a_link_are_said_on_the_page(server, browser):
    with open_page(browser, server[0], f"?tab=pair&a={quote('a man {x} standing')}&b=a%20man%20leaping") as page:
        page.locator("#plantain-pair-status").get_by_text("Prompt A holds {x}").wait_for()
        assert page.get_by_label("Prompt A").input_value() == "a man {x} standing"


def test_a_copied_link_opens_the_same_state(server, browser):
    copied = {}
    with open_page(browser, server[0]) as page:
        open_drawer(page, "Numbers")
        page.get_by_text("Attention heads: the model's own").first.click()
        shows(page, head_summary("posebox").rows[0][1])
        page.locator(".plantain-pairs input").nth(6).click()
        page.locator(".plantain-cells input").nth(31).click()
        page.locator(".plantain-where [role=status]").filter(has_text="single[5] head 1, trained").wait_for()
        for tab in links.TABS.values():
            open_tab(page, tab)
            if tab == "Your pair":
                page.get_by_label("Prompt A").fill("A nurse kneeling & waving")
                page.get_by_label("number input for Noise seeds").filter(visible=True).first.fill("17")
            before = page.locator("#plantain-link").get_attribute("href") if copied else None
            page.get_by_role("button", name="Copy a link").click()
            page.wait_for_function(
                "before => document.querySelector('#plantain-link')?.getAttribute('href') !== before", arg=before
            )
            shows(page, "Copied:")
            copied[tab] = page.evaluate("navigator.clipboard.readText()")
            assert copied[tab] == page.locator("#plantain-link").get_attribute("href")
            assert urlsplit(page.url).query == urlsplit(copied[tab]).query
    for tab, link in copied.items():
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        assert links.TABS[asked["tab"]] == tab
        with open_page(browser, link) as page:
            page.get_by_role("tab", name=tab, exact=True, selected=True).wait_for()
            if tab == "Results":
                shows(page, head_summary("posebox").rows[0][1])
                page.locator(".plantain-where [role=status]").filter(has_text="single[5] head 1, trained").wait_for()
                page.locator(".plantain-pairs input[value='6']:checked").wait_for(state="attached")
            if tab == "Your pair":
                page.wait_for_function(
                    "a => [...document.querySelectorAll('textarea')].some(t => t.value === a)",
                    arg="A nurse kneeling & waving",
                )
                seeds = page.get_by_label("number input for Noise seeds").filter(visible=True).first
                assert seeds.input_value() == "17"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_embedded_view_fits_its_frame(server, browser, dark):
    with open_page(browser, server[0], "?embed=1", 400, 600, dark) as page:
        page.locator(".plantain-compact h2").wait_for()
        page.locator(".plantain-two img").first.wait_for()
        for width, height in ((400, 600), (850, 450)):
            page.set_viewport_size({"width": width, "height": height})
            page.locator(".plantain-compact .plantain-rung").filter(visible=True).nth(1).wait_for()
            page.wait_for_timeout(300)
            assert page.get_by_role("tab").filter(visible=True).count() == 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("document.documentElement.scrollHeight") <= height
        assert page.get_by_role("link", name="Open the full page").get_attribute("href").startswith("?run=")


def test_an_embedded_link_shows_the_run_it_names(server, browser):
    with open_page(browser, server[0], "?embed=1&run=published", 400, 600) as page:
        shows(page, "8,263")


def test_an_embedded_link_to_a_tab_shows_that_tab(server, browser):
    with open_page(browser, server[0], "?embed=1&tab=pair&a=A+nurse+kneeling", 400, 600) as page:
        page.get_by_role("button", name="Probe this pair").wait_for()
        assert page.get_by_role("tab").filter(visible=True).count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def query(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_the_address_follows_and_back_returns(server, browser):
    with open_page(browser, server[0]) as page:
        assert urlsplit(page.url).query == ""  # nobody has done anything yet
        page.locator(".plantain-cells input").nth(4).click()
        page.wait_for_function("() => new URLSearchParams(location.search).get('head') === 'joint[1] head 1'")
        open_tab(page, "Your pair")
        page.wait_for_function("() => new URLSearchParams(location.search).get('tab') === 'pair'")
        page.go_back()
        page.get_by_role("tab", name="Results", exact=True, selected=True).wait_for()
        assert (query(page)["tab"], query(page)["head"]) == ("results", "joint[1] head 1")
        page.locator(".plantain-where [role=status]").filter(has_text="joint[1] head 1, trained").wait_for()
        choose(page, "Run", re.compile("^posebox-untrained, dense_pose"))
        shows(page, "This transformer has learned nothing")
        assert query(page)["run"] == "shipped/posebox-untrained"
        page.go_back()
        shows(page, "Of the same transformer untrained")
        page.locator(".plantain-where [role=status]").filter(has_text="joint[1] head 1, trained").wait_for()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("pair=26", "there is no pair '26' in this run; there is 1 to 25"),
        ("head=single%5B99%5D+head+0", "there is no head 'single[99] head 0' in this run"),
        ("weights=frozen", "there is no weights 'frozen' in this run"),
        ("run=published&pair=1", "this run has not been read token by token"),
    ],
)
def test_what_a_link_names_and_the_run_lacks_is_said(asked, sentence):
    found, problems = links.read({name: values[0] for name, values in parse_qs(asked).items()})
    assert not {"pair", "head", "weights"} & found.keys()
    assert sentence in html.unescape("".join(problems))


def test_an_embedded_link_to_no_run_says_so(server, browser):
    with open_page(browser, server[0], "?embed=1&run=shipped/mine", 400, 600) as page:
        shows(page, "There is no run 'shipped/mine'")


def test_a_link_opens_a_comparison(server, browser):
    with open_page(browser, server[0], "?run=shipped/posebox&other=shipped/posebox-untrained") as page:
        shows(page, "Pearson r between the two t maps")
