"""How soon ``python app.py`` serves its page, beside a gradio page with one line of text.

    python benchmarks/speed/start.py

From the start of the process to the last byte of the first page, in turns; Posebox. Both serve MCP tools where gradio's
extra for it is installed, as it is with the extra ``test``: its import takes its time.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from measured import Row, beside, main

ROOT = Path(__file__).resolve().parents[2]
EMPTY = """
import gradio as gr
with gr.Blocks() as page:
    gr.Markdown("hello")
page.launch(server_port={port}, ssr_mode=False, mcp_server={mcp})
"""
MCP = find_spec("mcp") is not None
TURNS = 7


def rows() -> Iterator[Row]:
    def empty() -> float:
        port = free_port()
        return serve([sys.executable, "-c", EMPTY.format(port=port, mcp=MCP)], port)

    def ours() -> float:
        port = free_port()
        return serve([sys.executable, str(ROOT / "app.py"), "--port", str(port)], port)

    # Each is first as often as the other.
    seconds = [(ours(), empty()) if turn % 2 else (empty(), ours())[::-1] for turn in range(TURNS + 1)]
    of_ours, of_empty = np.array(seconds[1:]).T  # after one to warm up
    yield beside(
        "`python app.py` to the first page",
        f"an empty gradio page{', both with MCP tools' if MCP else ''}",
        of_ours,
        of_empty,
        1.4,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(command: list[str], port: int) -> float:
    """Start it, read its first page, and stop it; the seconds until it was read, without those that it takes to end."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PLANTAIN_MODEL": "posebox", "GRADIO_ANALYTICS_ENABLED": "False"}
    environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        environment["PLANTAIN_RUNS"] = folder
        quiet = subprocess.DEVNULL
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet)
        try:
            while True:
                if process.poll() is not None:
                    raise SystemExit(f"It ended with {process.returncode}: {' '.join(command)}")
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                        answer.read()
                    return time.perf_counter() - started
                except OSError:
                    time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
