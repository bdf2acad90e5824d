"""What is seen before gradio has come, out of the page's own configuration; gradio's scripts are held back for it."""

import re
import urllib.request

import pytest
from browser import arrived, open_page

FIRST = "#plantain-first"
PARTS = (".plantain-bodies img", ".plantain-claim", ".plantain-rung summary")


def let_through(page, held):
    while held:
        held.pop().continue_()
    page.unroute("**/assets/index-*.js")
    arrived(page)


def texts(page, within):
    """What is read of the claims, and of the rungs."""
    return [
        page.locator(f"{within} {part}").all_inner_texts() for part in (".plantain-claim", ".plantain-rung summary")
    ]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, True)])
def test_bodies_claim_and_ladder_are_there_before_gradio_and_stay_where_they_are(server, browser, width, dark):
    held = []
    with open_page(browser, server[0], width=width, height=900, dark=dark, held=held) as page:
        for part in PARTS:
            page.locator(f"{FIRST} {part}").first.wait_for()
        assert page.locator("gradio-app .plantain-claim").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        seen, places = texts(page, FIRST), [page.locator(f"{FIRST} {part}").first.bounding_box() for part in PARTS]
        back = page.locator(FIRST).evaluate("(e) => getComputedStyle(e).backgroundColor")
        let_through(page, held)
        page.wait_for_timeout(1000)
        assert texts(page, ".tabitem:visible") == seen
        assert page.locator("body").evaluate("(e) => getComputedStyle(e).backgroundColor") == back
        for part, place in zip(PARTS, places, strict=True):
            now = page.locator(f"gradio-app {part}").locator("visible=true").first.bounding_box()
            assert all(abs(now[key] - place[key]) <= 6 for key in place), (part, place, now)


def test_what_was_opened_and_pressed_meanwhile_is_so_in_the_page(server, browser):
    held = []
    with open_page(browser, server[0], held=held) as page:
        page.locator(f"{FIRST} [data-rung=place] summary").first.click()
        body = page.locator(f"{FIRST} [data-pair]").nth(2)
        pair = body.get_attribute("data-pair")
        body.click()
        let_through(page, held)
        page.locator(".plantain-rung[data-rung=place][open]").locator("visible=true").first.wait_for()
        page.locator(f".plantain-pairs input[value='{pair}']:checked").wait_for(state="attached")


def test_a_small_frame_shows_the_compact_view_before_gradio(server, browser):
    held = []
    with open_page(browser, server[0], "?embed=1&__theme=dark", width=400, height=600, held=held) as page:
        page.locator(f"{FIRST} .plantain-two img").first.wait_for()
        assert "dark" in page.locator("body").get_attribute("class")
        assert not page.locator(f"{FIRST} nav").is_visible()
        let_through(page, held)


@pytest.mark.parametrize("query", ["?tab=run", "?run=published", "?embed=1&run=published"])
def test_a_link_shows_nothing_else_first(server, browser, query):
    held = []
    with open_page(browser, server[0], query, held=held) as page:
        page.locator(FIRST).wait_for(state="detached")
        let_through(page, held)


def test_the_document_holds_all_of_it_and_asks_for_one_style_sheet(server):
    """At the very address that gradio asks for later."""
    document = urllib.request.urlopen(server[0], timeout=60).read().decode()
    head, body = document.split("</head>")
    theme = re.search('"theme_hash":"([0-9a-f]+)"', head)[1]
    assert head.count("theme.css") == head.count(f'href="./theme.css?v={theme}"') == 1
    assert head.count("--plantain-paper:") >= 2
    assert body.count('id="plantain-first"') == 1
    for part in ("title", "bodies", "headline", "ladder"):
        assert f'"plantain-first-{part}"' in head
        assert f'data-part="plantain-first-{part}"' in body
