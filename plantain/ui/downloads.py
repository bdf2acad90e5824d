"""Files for visitors: folders that go by themselves, and a button that makes what it hands over."""

import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from plantain.errors import InputError
from plantain.report.export import Files, write_zip
from plantain.ui.engine import LOUD, QUIET
from plantain.ui.html import alert
from plantain.ui.start import temporary_folder

_KEPT = 80  # folders; a file is copied when it is handed over
_recent: deque[Path] = deque()
ALL = "Save: SVG, PDF, CSV"
# The file is there as soon as the page has drawn its answer anew.
_PRESS = """() => new Promise((done) => setTimeout(() => {{
  if (document.querySelector("#{0}-said p") === null) document.querySelector("#{0}-file")?.click();
  done([]);
}}, 150))"""


def new_folder() -> Path:
    """A folder for downloads under this process's temporary one; the oldest go, long since copied.

    >>> (new_folder() / "heads.csv").write_text(text)
    """
    folder = Path(tempfile.mkdtemp(dir=_downloads()))
    _recent.append(folder)
    while len(_recent) > _KEPT:
        shutil.rmtree(_recent.popleft(), ignore_errors=True)
    return folder


@cache
def _downloads() -> Path:
    return temporary_folder("plantain-")


class Export:
    """A button that makes a view's files when it is pressed and hands them to the browser as one ZIP.

    >>> Export("where", files_of_where, [run, pair, head])

    ``make`` of the components' values gives the files, or raises InputError: a sentence beside the button.
    """

    def __init__(self, name: str, make: Callable[..., Files], inputs: Sequence[Any] = (), label: str = ALL) -> None:
        key = f"plantain-export-{name}"

        def made(*values: Any) -> tuple[Any, str]:
            try:
                return str(write_zip(new_folder() / f"{name}.zip", make(*values))), ""
            except (InputError, OSError) as error:
                return gr.skip(), alert("Nothing is saved.", error)

        with gr.Row(elem_classes=["plantain-export"]):
            button = gr.Button(label, size="sm", scale=0, min_width=170, elem_id=key)
            file = gr.DownloadButton("Save", visible="hidden", elem_id=f"{key}-file")
            said = gr.HTML("", elem_id=f"{key}-said", elem_classes=["plantain-line"])
        ready = button.click(made, list(inputs), [file, said], **LOUD)
        ready.then(None, None, None, js=_PRESS.format(key), **QUIET)
