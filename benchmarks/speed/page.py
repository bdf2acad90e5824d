"""How soon a visitor sees something: alone, as one of twenty beside five queued probes, and beside 1,000 saved runs.

    python benchmarks/speed/page.py

Needs the test extra, and Chromium for the first paint: bodies, claim and ladder, after navigation, at 1280 × 900. Then
the same laid out by gradio, which answers.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measured import Row, beside, limited, main
from start import EMPTY, free_port

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
PAINT_SECONDS, CROWD_SECONDS = 1.5, 2.0
N_PAINTS, N_VISITS, N_SAVED = 9, 5, 1000


def rows() -> Iterator[Row]:
    """Start the real server in an empty folder, and measure."""
    import browser
    import crowd
    import numpy as np

    with tempfile.TemporaryDirectory() as folder, browser.serve(Path(folder)) as url:
        if browser.CHROMIUM is not None:
            with _empty_page() as empty:
                paints, whole, bare = _paints(url, empty)
            what, note = "first paint of bodies, claim and ladder", f"median of {N_PAINTS}, largest {max(paints):.2f} s"
            yield limited(what, [statistics.median(paints)], PAINT_SECONDS, note)
            yield beside(what, "that of an empty gradio page", paints, bare)
            yield beside("the page itself, which answers", "an empty gradio page", whole, bare)
        crowd.gather(url)  # the first probe loads the model
        found = crowd.gather(url, N_VISITS)
    note = f"95th percentile, {crowd.N_VISITORS} visitors at once beside {crowd.N_PROBES} queued probes; none refused"
    yield limited("the page and its opening event", [float(np.quantile(found.seconds, 0.95))], CROWD_SECONDS, note)
    if browser.CHROMIUM is not None:
        yield _beside_saved_runs()


def _beside_saved_runs() -> Row:
    """First paint where ``runs/`` holds a thousand copies of the shipped run."""
    import browser

    with tempfile.TemporaryDirectory() as folder:
        for i in range(N_SAVED):
            shutil.copytree(ROOT / "assets" / "runs" / "posebox", Path(folder) / "runs" / f"mine-{i}")
        with browser.serve(Path(folder)) as url, _empty_page() as empty:
            paints, *_ = _paints(url, empty)
    what = f"first paint beside {N_SAVED:,} saved runs"
    return limited(what, [statistics.median(paints)], CROWD_SECONDS, f"median of {N_PAINTS}")


@contextmanager
def _empty_page() -> Iterator[str]:
    """The address of a gradio page with one line of text."""
    port = free_port()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-c", EMPTY.format(port=port, mcp=False)], stdout=quiet, stderr=quiet)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _paints(ours: str, empty: str) -> tuple[list[float], list[float], list[float]]:
    """Seconds from navigation until it is all seen, until gradio has laid it out, and of an empty page; in turns."""
    from browser import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    wanted = {ours: (".plantain-bodies img", ".plantain-claim", ".plantain-rung summary"), empty: ("text=hello",)}
    seconds: dict[str, list[float]] = {ours: [], empty: []}
    whole = []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for turn in range(N_PAINTS + 1):
            for url, parts in wanted.items():
                context = launched.new_context(viewport={"width": 1280, "height": 900})
                page = context.new_page()
                started = time.perf_counter()
                page.goto(url, wait_until="commit")
                for what in parts:
                    page.locator(what).first.wait_for()
                if turn:
                    seconds[url].append(time.perf_counter() - started)
                if url == ours:
                    page.locator("#plantain-first").wait_for(state="detached")
                if turn and url == ours:
                    whole.append(time.perf_counter() - started)
                context.close()
        launched.close()
    return seconds[ours], whole, seconds[empty]


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
