"""What gradio does for every visitor and every event, done once: first visitors come at once, and wait for it."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig


def do_once(page: gr.Blocks) -> None:
    """From here on, before the page is launched, a session begins and an event runs without what it can do without.

    >>> do_once(page)

    - Every event sets matplotlib's backend aside, which imports pyplot to ask which one it is, unless one is named.
    - Every component that an event makes anew asks the disk where gradio's own folder lies, unless that is named.
    - Every session keeps the configuration of all components, for links that restore a state on the server, and writes
      it at its first event: most of the time that opening a page of some hundred components takes. Here it is the
      first session's, but for what the session changes.
    """
    os.environ.setdefault("MPLBACKEND", "agg")
    os.environ.setdefault("GRADIO_TEMP_DIR", str((Path(tempfile.gettempdir()) / "gradio").resolve()))
    write: Callable[..., dict[str, Any]] = BlocksConfig.config_for_block
    written: dict[int, dict[str, Any]] = {}

    def config_for_block(_id: int, rendered_ids: list[int], block: Any, renderable: Any = None) -> dict[str, Any]:
        if rendered_ids or renderable is not None or page.blocks.get(_id) is not block:
            return write(_id, rendered_ids, block, renderable)
        if _id not in written:
            written[_id] = write(_id, rendered_ids, block)
        # A session sets a component's value in what it is given.
        return written[_id] | {"props": {**written[_id]["props"]}}

    setattr(BlocksConfig, "config_for_block", staticmethod(config_for_block))  # noqa: B010  (a method)
