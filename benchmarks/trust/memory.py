"""A thousand probes and five hundred typed pairs in one process: what the server holds, and what was left behind.

    python benchmarks/trust/memory.py --visitors 500 --draw-steps 2
    python benchmarks/trust/memory.py --visitors 500 --by endpoints

The real server on loopback, in this process, so that what it holds can be counted. Every visitor opens the page with a
session of their own, uploads five pairs, probes them twice, probes a typed pair, each from new noise, and closes the
tab; figures are drawn for each, and pictures, for which the model may take fewer steps than on the page: what they
leave in memory does not hang on it. Programs ask the endpoints for the same, and no figure. Ends with status 1 where,
once the server remembers as many tabs as it may (or fewer: ``--sessions``), memory grows by more than five per cent,
or anything else that is counted grows. Needs the extra ``test``.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "PLANTAIN_MODEL": "posebox"}
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import browser  # noqa: E402
import httpx  # noqa: E402
import psutil  # noqa: E402
from visitors import Page, called, get  # noqa: E402

from plantain.ui.freed import give_back  # noqa: E402
from plantain.ui.limits import MAX_SESSIONS  # noqa: E402

N_CHECKPOINTS, GROWTH = 20, 1.05
# What comes and goes: a thread of the pool, a connection that is being closed.
SLACK = {"tensors": 50, "hooks": 0, "figures": 0, "threads": 8, "open files": 8}


class Visitor:
    """One browser tab: it says that it is there until it is closed, and waits in the queue for what it asks."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, uuid.uuid4().hex

    def __enter__(self) -> Visitor:
        self._beat = urllib.request.urlopen(f"{self.page.url}gradio_api/heartbeat/{self.session}", timeout=60)
        get(self.page.url)
        for event in self.page.opening:
            self.page.ask(event, self.session)
        return self

    def __exit__(self, *_: object) -> None:
        self._beat.close()

    def press(self, button: str, **values: Any) -> list[Any]:
        """Click a button and what follows from it; the last values that the page is sent."""
        event = self.page.pressed(button)
        found = self._queued(event, values)
        for later in self.page.after(event):
            self._queued(later, values)
        return found

    def _queued(self, event: dict[str, Any], values: dict[str, Any]) -> list[Any]:
        body = {"data": self.page.data(event, values), "fn_index": event["id"], "session_hash": self.session}
        asked = urllib.request.Request(
            self.page.url + "gradio_api/queue/join",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        get(asked)
        with urllib.request.urlopen(
            f"{self.page.url}gradio_api/queue/data?session_hash={self.session}", timeout=600
        ) as told:
            for line in told:
                said = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if said.get("msg") == "process_completed":
                    assert said["success"], said
                    return list(said["output"]["data"])
        raise AssertionError("The queue ended without an answer.")


def held() -> dict[str, float]:
    """What this process holds now."""
    import torch

    import app

    gc.collect()
    process = psutil.Process()
    found = process.memory_info().rss
    give_back()  # as the server does twice a minute: what is compared does not hang on how long ago that was
    figures = sys.modules.get("matplotlib.figure")
    modules = [module for pipe in app.loaded.values() for module in (*pipe.transformer.modules(), *pipe.vae.modules())]
    everything = gc.get_objects()
    return {
        "MB as found": found / 1024**2,
        "MB": process.memory_info().rss / 1024**2,
        "of it in use": in_use(),
        "tensors": sum(type(one) in (torch.Tensor, torch.nn.Parameter) for one in everything),
        "hooks": sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules),
        "figures": sum(isinstance(one, figures.Figure) for one in everything) if figures else 0,
        "threads": process.num_threads(),
        "open files": process.num_fds(),
        "sessions": len(sessions()),
        "files": len(_files()),
        "files, MB": sum(path.stat().st_size for path in _files()) / 1024**2,
    }


def in_use() -> float:
    """MB that are handed out by glibc's allocator; the rest of what is resident is libraries, and freed memory that it
    keeps. NaN with another one.
    """
    try:
        told = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return float("nan")
    told.restype = _Mallinfo
    found = told()
    return float(found.uordblks + found.hblkhd) / 1024**2


_COUNTED = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h."""

    _fields_ = [(name, ctypes.c_size_t) for name in _COUNTED.split()]


def sessions() -> dict[str, Any]:
    """Of gradio, by name; the page that is served is whichever holds any."""
    from gradio.state_holder import StateHolder

    found = [one for one in gc.get_objects() if isinstance(one, StateHolder)]
    return max((one.session_data for one in found), key=len, default={})


def _files() -> list[Path]:
    return [path for path in Path(tempfile.gettempdir()).rglob("*") if path.is_file()]


def visit(page: Page, number: int) -> None:
    """Two probes and a typed pair."""
    with Visitor(page) as visitor:
        pairs = {page.label("or your own"): upload(page.url, browser.FEW_PAIRS)}
        for probe in range(2):
            visitor.press("Run the probe", **pairs, **{"First noise seed": 2 * number + probe})
        seeds = page.label("Noise seeds (for plain")
        visitor.press("Probe this pair", **{"First noise seed": number, seeds: 3})


def program(page: Page, number: int) -> None:
    """The same by the endpoints."""
    for probe in range(2):
        called(page.url, "run_probe", ["", browser.FEW_PAIRS, 2 * number + probe, 1, 1, "card"])
    called(page.url, "probe_pair", ["a nurse standing in a gym", "a nurse leaping in a gym", 3, number])


def upload(url: str, text: str) -> dict[str, Any]:
    """A prompt file handed to the page, as its field then names it."""
    sent = httpx.post(url + "gradio_api/upload", files={"files": ("few.csv", text, "text/csv")}, timeout=60)
    (path,) = sent.raise_for_status().json()
    return {"path": path, "orig_name": "few.csv", "meta": {"_type": "gradio.FileData"}}


def drive(url: str, n_visitors: int, at_once: int, by: str) -> Iterator[dict[str, float]]:
    """Visitors, some at once, and what is held as they go by."""
    page, one = Page(url), {"page": visit, "endpoints": program}[by]
    every = max(1, n_visitors // N_CHECKPOINTS)
    with ThreadPoolExecutor(at_once) as pool:
        for first in range(0, n_visitors, every):
            list(pool.map(lambda number: one(page, number), range(first, min(first + every, n_visitors))))
            time.sleep(3)  # closed tabs are noticed once a second
            yield {"visitors": float(min(first + every, n_visitors))} | held()


def verdict(rows: list[dict[str, float]], most: int) -> list[str]:
    """What grew once as many tabs were remembered as may be; of a run of fewer visitors, after its first fifth."""
    full = [row for row in rows if row["sessions"] >= most] or rows[len(rows) // 5 :]
    early, late = full[0], full[-1]
    grown = [
        f"{what}: {early[what]:.0f} to {late[what]:.0f}" for what in SLACK if late[what] > early[what] + SLACK[what]
    ]
    if late["MB"] > GROWTH * early["MB"]:
        grown.append(f"memory: {early['MB']:.0f} to {late['MB']:.0f} MB")
    return grown


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--visitors", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--by", choices=["page", "endpoints"], default="page")
    parser.add_argument(
        "--draw-steps", type=int, help="of a typed pair's two pictures; as many as on the page if left out"
    )
    parser.add_argument("--sessions", type=int, default=MAX_SESSIONS, help="browser tabs that are remembered")
    options = parser.parse_args()
    rows: list[dict[str, float]] = []
    failed: list[BaseException] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tmp").mkdir()
        tempfile.tempdir = str(Path(folder) / "tmp")
        os.environ |= {"TMPDIR": tempfile.tempdir, "GRADIO_TEMP_DIR": tempfile.tempdir}
        os.chdir(folder)
        warnings.simplefilter("ignore", FutureWarning)  # of torch, for being looked through
        import app

        app.MAX_SESSIONS, app.DRAW_STEPS = options.sessions, options.draw_steps or app.DRAW_STEPS
        port = browser.free_port()

        def driven() -> None:
            try:
                browser.wait_for(f"http://127.0.0.1:{port}/")
                for row in drive(f"http://127.0.0.1:{port}/", options.visitors, options.at_once, options.by):
                    if not rows:
                        print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}", flush=True)
                    rows.append(row)
                    print("| " + " | ".join(f"{value:,.0f}" for value in row.values()) + " |", flush=True)
            except BaseException as error:
                failed.append(error)
            os.kill(os.getpid(), signal.SIGTERM)

        driver = threading.Thread(target=driven)
        driver.start()
        with contextlib.suppress(SystemExit):
            app.main(["--port", str(port)])
        driver.join()
        os.chdir(ROOT)
    if failed:
        raise failed[0]
    grown = verdict(rows, options.sessions)
    print(f"\nGrew: {'; '.join(grown)}." if grown else "\nNothing grew.")
    return bool(grown)


if __name__ == "__main__":
    sys.exit(main())
