"""What gradio does for every visitor and every event, done once: first visitors come at once, and wait for it."""

import os
import tempfile
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import BlocksConfig, convert_component_dict_to_list


def do_once(page: gr.Blocks) -> None:
    """From here on, before the page is launched, a session begins and an event runs without what it can do without.

    >>> do_once(page)

    - Every event sets matplotlib's backend aside, which imports pyplot to ask which one it is, unless one is named.
    - Every component that an event makes anew asks the disk where gradio's own folder lies, unless that is named.
    - Every session keeps the configuration of all components, for links that restore a state on the server, and writes
      it at its first event: most of the time that opening a page of some hundred components takes. Here it is the
      first session's, but for what the session changes.
    - A component that an event leaves as it is would be made anew for it, a millisecond each, and kept for the session.
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
    setattr(page, "postprocess_data", _leaving_alone(page.postprocess_data))  # noqa: B010  (a method)


def _leaving_alone(postprocess: Callable[..., Any]) -> Callable[..., Any]:
    """The same, asked only of the components that an event changes."""

    async def changed(block_fn: BlockFunction, predictions: Any, state: Any) -> list[Any]:
        outputs = list(block_fn.outputs)
        if isinstance(predictions, dict) and len(outputs) > 1:
            changes = {} if predictions == gr.skip() else predictions
            predictions = convert_component_dict_to_list(outputs, changes)
        several = isinstance(predictions, list | tuple) and 1 < len(outputs) == len(predictions)
        if not several or block_fn.batch or block_fn.is_validator_function:
            return list(await postprocess(block_fn, predictions, state))
        told = [one if isinstance(one, dict) and one == gr.skip() else None for one in predictions]
        asked = [at for at, left in enumerate(told) if left is None or outputs[at].stateful]
        if asked:
            fewer = copy(block_fn)
            fewer.outputs = [outputs[at] for at in asked]
            given = [predictions[at] for at in asked]
            found = await postprocess(fewer, given if len(given) > 1 else given[0], state)
            for at, value in zip(asked, found, strict=True):
                told[at] = value
        return told

    return changed
