"""axe-core over every tab, after its main path, on a phone and on a desktop, in light and in dark."""

import pytest
from browser import FEW_PAIRS, LOADED, open_page, open_tab, shows, upload

# Rule ids that gradio's own code breaks, by name, with where; nothing else may be serious or critical.
CAUSED_BY_GRADIO: dict[str, str] = {}
WIDTHS = (375, 1280)


def violations(page):
    from axe_playwright_python.sync_playwright import Axe

    # What passes is not described node by node, which would take longer than finding what does not.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not (rule["id"] in CAUSED_BY_GRADIO and CAUSED_BY_GRADIO[rule["id"]] in str(node["target"]))
    ]


def keeps_nobody_out(page):
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)  # until the tabs have found their room
        assert violations(page) == [], f"{width} pixels wide"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_tab_keeps_anybody_out(server, browser, dark, tmp_path):
    (tmp_path / "few.csv").write_text(FEW_PAIRS)
    with open_page(browser, server[0], width=WIDTHS[0], dark=dark) as page:
        for summary in page.locator("summary").filter(visible=True).all():
            summary.click()
        page.get_by_role("button", name="Reproduce this").filter(visible=True).click()
        page.get_by_role("button", name="Compare with another run").click()
        keeps_nobody_out(page)
        open_tab(page, "Run the probe")
        upload(page, tmp_path / "few.csv")
        page.get_by_role("button", name="Run the probe", exact=True).click()
        shows(page, "Done: 5 pairs", LOADED)
        keeps_nobody_out(page)
        open_tab(page, "Your pair")
        page.get_by_role("button", name="Probe this pair").click()
        page.locator("img[alt*='draws:']").first.wait_for(state="attached", timeout=LOADED)
        keeps_nobody_out(page)
        open_tab(page, "Controls")
        page.locator("svg[aria-label*='the lexical sets']").first.wait_for(state="attached", timeout=LOADED)
        keeps_nobody_out(page)
        open_tab(page, "Method")
        keeps_nobody_out(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_embedded_view_keeps_nobody_out(server, browser, dark):
    with open_page(browser, server[0], "?embed=1", 400, 600, dark) as page:
        page.wait_for_timeout(500)
        assert violations(page) == []
