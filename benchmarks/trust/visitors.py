"""Fifty visitors of one page at once, reading and probing, from a cold start: how long each waits, and what is kept.

    python benchmarks/trust/visitors.py --minutes 10

The real server on loopback. All come at once; then each opens the page, changes the run three times, opens drawers,
looking for two to eight seconds at each (``--look`` 0 for machines), and begins again. Beside them five programs ask
for one probe of 25 pairs after the other. Every answer but 200 ends it. The server's memory is read after a minute and
at the end. Needs the extra ``test``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import browser  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402

N_VISITORS, N_PROBING = 50, 5
WANTED = 2.0  # seconds, of reading, for 95 of 100
COLD_SECONDS = 30.0
LOOK = (2.0, 8.0)  # seconds at what has come
RUNS = ["published", *(f"shipped/posebox{twin}" for twin in ("", "-untrained", "-permuted", "-random"))]


class Page:
    """What the page answers, by what a visitor does."""

    def __init__(self, url: str) -> None:
        self.url = url
        config = json.loads(get(url + "config"))
        self._values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self._labels = {part["id"]: part["props"].get("label") for part in config["components"]}
        self._events = config["dependencies"]

    def label(self, begins: str) -> str:
        """The whole label of the first component whose label begins so."""
        return next(said for said in self._labels.values() if said and said.startswith(begins))

    def events(self, label: str, event: str) -> list[dict[str, Any]]:
        """What the first component of a label asks the server for."""
        of = next(number for number, said in self._labels.items() if said and said.startswith(label))
        return [one for one in self._events if one["backend_fn"] and [of, event] in map(list, one["targets"])]

    @property
    def opening(self) -> list[dict[str, Any]]:
        """What the page asks for when it has come."""
        return [
            one for one in self._events if one["backend_fn"] and any(event == "load" for _, event in one["targets"])
        ]

    def pressed(self, button: str) -> dict[str, Any]:
        """The event of a button's click that is sent to the server."""
        numbers = [number for number, said in self._values.items() if said == button]
        return next(
            one for one in self._events if one["backend_fn"] and [numbers[0], "click"] in map(list, one["targets"])
        )

    def after(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """What the page asks for when that event has ended."""
        return [one for one in self._events if one["backend_fn"] and one.get("trigger_after") == event["id"]]

    def data(self, event: dict[str, Any], values: dict[str, Any]) -> list[Any]:
        """What an event is sent with: the values that the page opens with, but for those of some labels."""
        return [values.get(str(self._labels.get(of)), self._values.get(of)) for of in event["inputs"]]

    def ask(self, event: dict[str, Any], session: str, **values: Any) -> bytes:
        """Send an event that waits for nobody."""
        body = json.dumps({"data": self.data(event, values), "fn_index": event["id"], "session_hash": session}).encode()
        return get(
            urllib.request.Request(
                self.url + "gradio_api/run/predict", body, {"Content-Type": "application/json"}, method="POST"
            )
        )


def get(asked: str | urllib.request.Request) -> bytes:
    with urllib.request.urlopen(asked, timeout=300) as answer:
        return bytes(answer.read())


def visit(page: Page, number: int, opened: float, until: float, look: float, seconds: dict[str, list[float]]) -> None:
    """One visitor, until it is time; what is asked for while the server is cold counts for itself."""
    rng = random.Random(number)

    def timed(what: str, call: Any, *given: Any, **named: Any) -> None:
        started = time.monotonic()
        call(*given, **named)
        cold = ", in the first half minute" if started < opened + COLD_SECONDS else ""
        seconds[what + cold].append(time.monotonic() - started)

    while time.monotonic() < until:
        session = f"visitor{number}-{rng.random()}"
        timed("opening the page", get, page.url)
        for event in page.opening:
            timed("its opening events", page.ask, event, session)
        for _ in range(3):
            time.sleep(look * rng.uniform(*LOOK))
            key = rng.choice(RUNS)
            for event in page.events("Run", "change"):
                timed("changing the run", page.ask, event, session, Run=key)
        for drawer in ("Every block", "Numbers", "How sure"):
            time.sleep(look * rng.uniform(*LOOK))
            for event in page.events(drawer, "expand"):
                timed("opening a drawer", page.ask, event, session, Run=key)


def called(url: str, name: str, data: list[Any]) -> str:
    """What an endpoint tells, waited for as long as the queue takes."""
    at, headers = f"{url}gradio_api/call/{name}", {"Content-Type": "application/json"}
    asked = urllib.request.Request(at, json.dumps({"data": data}).encode(), headers, method="POST")
    told = get(f"{at}/{json.loads(get(asked))['event_id']}").decode()
    assert "event: complete" in told, told[:500]
    return told


def probe(url: str, until: float, seconds: dict[str, list[float]]) -> None:
    """A program that asks for probes, one after the other."""
    while time.monotonic() < until:
        started = time.monotonic()
        told = called(url, "run_probe", ["dense_pose", "", 0, 1, 1, "card"])
        assert '"n_pairs": 25' in told
        seconds["a queued 25-pair probe"].append(time.monotonic() - started)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--look", type=float, default=1.0, help="times the seconds between two actions (default: 1)")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, browser.serve(Path(folder)) as url:
        page, opened = Page(url), time.monotonic()
        until = opened + 60 * options.minutes
        with ThreadPoolExecutor(N_VISITORS + N_PROBING) as pool:
            asked = [pool.submit(visit, page, i, opened, until, options.look, seconds) for i in range(N_VISITORS)]
            asked += [pool.submit(probe, url, until, seconds) for _ in range(N_PROBING)]
            time.sleep(min(60.0, 20 * options.minutes))
            early = memory_of(url)
            failed = [error for one in asked if (error := one.exception()) is not None]
        late = memory_of(url)
    print("| what | times | median | 95th percentile | the longest |\n|---|---|---|---|---|")
    for what, found in seconds.items():
        middle, high = np.quantile(found, [0.5, 0.95])
        print(f"| {what} | {len(found):,} | {middle:.2f} s | {high:.2f} s | {max(found):.2f} s |")
    reading = np.concatenate([found for what, found in seconds.items() if "probe" not in what])
    high = np.quantile(reading, 0.95)
    print(f"\nOf all reading 95 % took at most {high:.2f} s; {WANTED:g} s are wanted.")
    if failed:
        print(f"\n{len(failed)} of {len(asked)} were not served to the end.")
        raise failed[0]
    print(f"\nEvery answer was 200. The server held {early:.0f} MB after a minute, and {late:.0f} MB at the end.")
    return int(high > WANTED)


def memory_of(url: str) -> float:
    """Resident memory of the server, MB."""
    port = int(url.rsplit(":", 1)[1].strip("/"))
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "app.py" in " ".join(command) and str(port) in command:
            return float(process.memory_info().rss) / 1024**2
    raise RuntimeError("The server has ended.")


if __name__ == "__main__":
    sys.exit(main())
