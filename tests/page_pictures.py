"""Draw the README's pictures of the page again: ``python tests/page_pictures.py``."""

import io
import tempfile
from pathlib import Path

from browser import CHROMIUM, FLAGS, LOADED, open_page, open_tab, serve, shows
from PIL import Image

from plantain.paths import ASSETS


def main():
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with open_page(browser, url) as page:
            save(page, "page_results_light")
        with open_page(browser, url, width=1200, height=648) as page:  # as links to the Space show it
            save(page, "thumbnail")
        with open_page(browser, url, dark=True) as page:
            open_tab(page, "Your pair")
            page.get_by_role("button", name="Probe this pair").click()
            picture = page.locator("img[alt*='draws:']").last
            picture.wait_for(state="attached", timeout=LOADED)
            picture.evaluate("image => image.scrollIntoView({block: 'end'})")
            save(page, "page_pair_dark")
        with open_page(browser, url, width=375, height=812) as page:
            page.locator(".plantain-claim").first.evaluate("claim => claim.scrollIntoView()")
            save(page, "page_phone_light")
        with open_page(browser, url, width=375, height=812, dark=True) as page:
            open_tab(page, "Run")
            page.get_by_role("button", name="Run the probe", exact=True).click()
            shows(page, "Done: 25 pairs", LOADED)
            page.locator(".plantain-figure").filter(visible=True).first.evaluate("e => e.scrollIntoView()")
            save(page, "page_phone_dark")
        browser.close()


def save(page, name):
    page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(96).save(ASSETS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
