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

from measured import Row, beside, in_turns, main

ROOT = Path(__file__).resolve().parents[2]
EMPTY = """
import gradio as gr
with gr.Blocks() as page:
    gr.Markdown("hello")
page.launch(server_port={port}, ssr_mode=False, mcp_server={mcp})
"""
MCP = find_spec("mcp") is not None
TURNS = 5


def rows() -> Iterator[Row]:
    def empty() -> None:
        port = free_port()
        serve([sys.executable, "-c", EMPTY.format(port=port, mcp=MCP)], port)

    def ours() -> None:
        port = free_port()
        serve([sys.executable, str(ROOT / "app.py"), "--port", str(port)], port)

    found = in_turns({"ours": ours, "empty": empty}, TURNS)
    yield beside(
        "`python app.py` to the first page",
        f"an empty gradio page{', both with MCP tools' if MCP else ''}",
        found["ours"],
        found["empty"],
        1.4,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(command: list[str], port: int) -> None:
    """Start it, read its first page, and stop it."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PLANTAIN_MODEL": "posebox", "GRADIO_ANALYTICS_ENABLED": "False"}
    environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet)
        try:
            while True:
                if process.poll() is not None:
                    raise SystemExit(f"It ended with {process.returncode}: {' '.join(command)}")
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                        answer.read()
                    return
                except OSError:
                    time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
