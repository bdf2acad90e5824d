"""How soon a visitor sees something: alone, and as one of twenty beside five queued probes.

    python benchmarks/speed/page.py

Needs the test extra, and Chromium for the first paint: bodies, claim and ladder, after navigation, at 1280 × 900.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measured import Row, limited, main

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
PAINT_SECONDS, CROWD_SECONDS = 1.5, 2.0
N_PAINTS, N_VISITS = 9, 5


def rows() -> Iterator[Row]:
    """Start the real server in an empty folder, and measure."""
    import browser
    import crowd
    import numpy as np

    with tempfile.TemporaryDirectory() as folder, browser.serve(Path(folder)) as url:
        if browser.CHROMIUM is not None:
            paints = _paints(browser, url)
            note = f"median of {N_PAINTS}, largest {max(paints):.2f} s"
            yield limited("first paint of bodies, claim and ladder", [statistics.median(paints)], PAINT_SECONDS, note)
        crowd.gather(url)  # the first probe loads the model
        found = crowd.gather(url, N_VISITS)
    note = f"95th percentile, {crowd.N_VISITORS} visitors at once beside {crowd.N_PROBES} queued probes; none refused"
    yield limited("the page and its opening event", [float(np.quantile(found.seconds, 0.95))], CROWD_SECONDS, note)


def _paints(browser: object, url: str) -> list[float]:
    from browser import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    seconds = []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for _ in range(N_PAINTS):
            context = launched.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            started = time.perf_counter()
            page.goto(url, wait_until="commit")
            for what in (".plantain-bodies img", ".plantain-claim", ".plantain-rung summary"):
                page.locator(what).first.wait_for()
            seconds.append(time.perf_counter() - started)
            context.close()
        launched.close()
    return seconds


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
