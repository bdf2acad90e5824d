"""axe-core over every tab, after its main path, in light and in dark."""

import pytest
from browser import LOADED, open_page, open_tab, shows

# Rule ids that gradio's own code breaks, by name, with where; nothing else may be serious or critical.
CAUSED_BY_GRADIO: dict[str, str] = {}


def violations(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not (rule["id"] in CAUSED_BY_GRADIO and CAUSED_BY_GRADIO[rule["id"]] in str(node["target"]))
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_no_tab_keeps_anybody_out(server, browser, dark, width):
    with open_page(browser, server[0], width=width, dark=dark) as page:
        for summary in page.locator("summary").filter(visible=True).all():
            summary.click()
        page.get_by_role("button", name="Reproduce this").filter(visible=True).click()
        page.get_by_role("button", name="Compare with another run").click()
        page.wait_for_timeout(500)
        assert violations(page) == []
        open_tab(page, "Run the probe")
        page.get_by_role("button", name="Run the probe", exact=True).click()
        shows(page, "Done: 25 pairs", LOADED)
        page.wait_for_timeout(500)
        assert violations(page) == []
        open_tab(page, "Your pair")
        page.get_by_role("button", name="Probe this pair").click()
        page.locator("img[alt*='draws:']").first.wait_for(state="attached", timeout=LOADED)
        page.wait_for_timeout(500)
        assert violations(page) == []
        open_tab(page, "Controls")
        page.locator("svg[aria-label*='the lexical sets']").first.wait_for(state="attached", timeout=LOADED)
        page.wait_for_timeout(500)
        assert violations(page) == []
        open_tab(page, "Method")
        page.wait_for_timeout(500)
        assert violations(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_embedded_view_keeps_nobody_out(server, browser, dark):
    with open_page(browser, server[0], "?embed=1", 400, 600, dark) as page:
        page.wait_for_timeout(500)
        assert violations(page) == []
