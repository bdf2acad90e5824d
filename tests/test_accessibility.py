"""axe-core over every tab, after its main path, on a phone and on a desktop, in light and in dark."""

from browser import FEW_PAIRS, LOADED, open_drawer, open_page, open_tab, shows, upload

# Rule ids that gradio's own code breaks, by name, with where; nothing else may be serious or critical.
CAUSED_BY_GRADIO: dict[str, str] = {}
PHONE, DESKTOP = 375, 1280
# What is there, and under what name, goes by the tab and the width; its colours by the tab and the theme. So on every
# tab each width and each theme is seen once.
BOTH = ((PHONE, "dark"), (DESKTOP, "light"))
# The theme is the one asked for, and no colour is on its way from the other's any more.
SETTLED = """dark => document.body.classList.contains('dark') == dark
    && !document.getAnimations().some(a => a instanceof CSSTransition)"""


# To a screen reader a picture is its name and has nothing inside; of text drawn there axe never says more than that it
# cannot tell its contrast, and its thousands of marks take half of axe's time.
INSIDE_A_PICTURE = {"exclude": [["svg[role=img] > *"]]}


def violations(page):
    from axe_playwright_python.sync_playwright import Axe

    # What passes is not described node by node, which would take longer than finding what does not.
    found = Axe().run(page, INSIDE_A_PICTURE, {"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not (rule["id"] in CAUSED_BY_GRADIO and CAUSED_BY_GRADIO[rule["id"]] in str(node["target"]))
    ]


def keeps_nobody_out(page, views=BOTH):
    for width, theme in views:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)  # the page follows the visitor's system
        page.wait_for_timeout(500)  # until the tabs have found their room
        page.wait_for_function(SETTLED, arg=theme == "dark")
        assert violations(page) == [], f"{width} pixels wide, in {theme}"


def test_no_tab_keeps_anybody_out(server, browser, tmp_path):
    (tmp_path / "few.csv").write_text(FEW_PAIRS)
    with open_page(browser, server[0], width=PHONE) as page:
        for summary in page.locator("summary").filter(visible=True).all():
            summary.click()
        page.get_by_role("button", name="Reproduce this").filter(visible=True).click()
        for drawer in ("Numbers", "Every block", "Every head", "Nulls", "How sure", "Compare with"):
            open_drawer(page, drawer)
        page.get_by_label("Enter text to search the table").filter(visible=True).first.wait_for()
        keeps_nobody_out(page)
        open_tab(page, "Run")
        upload(page, tmp_path / "few.csv")
        page.get_by_role("button", name="Run the probe", exact=True).click()
        shows(page, "Done: 5 pairs", LOADED)
        keeps_nobody_out(page)
        open_tab(page, "Your pair")
        page.get_by_role("button", name="Probe this pair").click()
        page.locator("img[alt*='draws:']").first.wait_for(state="attached", timeout=LOADED)
        keeps_nobody_out(page)
        open_tab(page, "Is it pose?")
        page.locator("svg[aria-label*='the lexical sets']").first.wait_for(state="attached", timeout=LOADED)
        open_drawer(page, "Canonical at all")
        page.get_by_role("button", name="Draw it").click()
        page.locator("img[alt^='A patched']").wait_for(state="attached", timeout=LOADED)
        keeps_nobody_out(page)
        open_tab(page, "Method")
        keeps_nobody_out(page)


def test_the_embedded_view_keeps_nobody_out(server, browser):
    with open_page(browser, server[0], "?embed=1", 400, 600) as page:
        keeps_nobody_out(page, [(400, "light"), (400, "dark")])


# Of whatever has the keyboard's focus, and of what lies around it: gradio draws a field's on its frame.
FOCUS = """() => {
  const drawn = (e) => {
    const style = getComputedStyle(e);
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none';
  };
  const at = document.activeElement, name = at.getAttribute('aria-label') || at.innerText || at.type || at.tagName;
  const around = [at, at.parentElement, at.parentElement?.parentElement].filter(Boolean);
  return at === document.body ? null : [name.trim().slice(0, 60), around.some(drawn)];
}"""
MOST_STOPS = 80


def stops(page):
    """Everything that Tab reaches on the open tab, and whether its focus can be seen."""
    page.locator("body").click(position={"x": 1, "y": 1})  # from the top on
    found = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        if found and at == found[0]:
            break
        if at is not None:  # past a list of gradio's the focus rests nowhere for one step
            found.append(at)
    return found


def test_every_tab_can_be_gone_through_by_keyboard_and_the_focus_is_always_seen(server, browser):
    with open_page(browser, server[0]) as page:
        for tab, wanted in (
            ("Results", {"Strongest", "Run", "Copy a link"}),
            ("Run", {"Run the probe", "Prompt set"}),
            ("Your pair", {"Probe this pair", "textarea"}),
            ("Is it pose?", {"Draw it", "Copy a link"}),
        ):
            open_tab(page, tab)
            page.wait_for_timeout(500)
            found = stops(page)
            assert [name for name, seen in found if not seen] == [], tab
            named = " ".join(name for name, _ in found)
            assert [name for name in wanted if name not in named] == [], tab


def test_nothing_moves_for_those_who_ask_for_less_motion(server, browser):
    with open_page(browser, server[0], "?tab=pair") as page:
        page.emulate_media(reduced_motion="reduce")
        page.get_by_label("Prompt A").fill("A nurse standing still, in a gym.")  # of no other test: it is run anew
        page.get_by_role("button", name="Probe this pair").click()
        shows(page, "8 noise seeds", LOADED)
        assert page.evaluate("document.getAnimations().length") == 0
        shows(page, "Done in", LOADED)
        assert page.evaluate("document.getAnimations().length") == 0
