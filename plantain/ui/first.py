"""What a visitor sees before gradio has come: the page's first parts, out of its own configuration (first.js)."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

# Classes of the components that are shown, in their order on the page.
TITLE, BODIES, HEADLINE, LADDER = (f"plantain-first-{name}" for name in ("title", "bodies", "headline", "ladder"))
COMPACT = "plantain-compact"


def first_html(tabs: Mapping[str, str]) -> str:
    """A frame like the page's own, which first.js fills and takes away; ``tabs``, by id, are links until they are tabs.

    >>> Middleware(Door, body=first_html(TABS))
    """
    links = "".join(f'<a href="?tab={key}">{escape(label)}</a>' for key, label in tabs.items())
    shown = "".join(_place(name) for name in (BODIES, HEADLINE, LADDER, COMPACT))
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return (
        f'<div id="plantain-first" class="gradio-container" hidden>{_place(TITLE)}'
        f'<nav class="plantain-full">{links}</nav><div class="plantain-full plantain-first-run"></div>{shown}</div>\n'
        f"<script>\n{script}</script>\n"
    )


def _place(name: str) -> str:
    shown = "" if name == COMPACT else "plantain-full "
    return f'<div class="html-container prose {shown}{name}" data-part="{name}"></div>'
