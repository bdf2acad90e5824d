"""The page: its look, its head and its tabs."""

from pathlib import Path
from typing import Any

import gradio as gr

from plantain.paths import ROOT
from plantain.report.palette import DARK, VARIABLES
from plantain.ui import api, links
from plantain.ui.engine import Engine
from plantain.ui.first import TITLE as FIRST_TITLE
from plantain.ui.first import first_html
from plantain.ui.links import TABS
from plantain.ui.tabs import is_it_pose, pair, results, run

TITLE = "dense-plantain"
INTRO = (
    f"<h1>{TITLE}</h1><p>Does an image model know what a body pose is? Asked of its <em>heads</em>, small parts that "
    "work side by side.</p>"
)
METHOD = ROOT / "docs" / "method.md"
_CSS, _SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
for _selector, _colours in ((".dark", DARK), (":root", VARIABLES)):
    _CSS = f"{_selector} {{ {' '.join(f'{name}: {value};' for name, value in _colours.items())} }}\n{_CSS}"
# Neither as gradio's ``css``, which is scoped to a container inside the page, where no rule can ask whether the page is
# embedded, nor as its ``head``, which comes when gradio has come: the server's door puts it into the page.
HEAD = f"<style id='plantain-style'>\n{_CSS}</style>\n<script>\n{_SCRIPT}{links.script()}</script>\n"
FIRST = first_html(TABS)


def build_page(engine: Engine) -> gr.Blocks:
    """Assemble the page around a model; nothing is loaded until somebody runs something."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        with gr.Row(elem_classes=["plantain-top", "plantain-full"]):
            gr.HTML(INTRO, elem_classes=[FIRST_TITLE])
            copy = links.button()
        link = gr.HTML("", elem_classes=["plantain-linkbar"])
        with gr.Tabs() as tabs:
            with _tab("results") as tab:
                shown, drawers = results.build(tab)
            with _tab("run"):
                live = run.build(engine)
            with _tab("pair"):
                typed = pair.build(engine)
            with _tab("controls") as tab:
                cause = is_it_pose.build(engine, tab)
            with _tab("method"):
                gr.Markdown(METHOD.read_text(encoding="utf-8"), elem_classes=["plantain-method"])
        fields = {"results": shown, "run": live.fields, "pair": typed.fields, "controls": cause.fields}
        opened = links.connect(page, tabs, copy, link, fields, drawers, cause.checks)
        cause.reopen_after(opened)
        typed.reopen_on(page)
        live.reopen_on(page)
        api.build(engine)
    return page


def _tab(key: str) -> gr.Tab:
    return gr.Tab(TABS[key], id=key)


def theme() -> Any:
    """Plain and legible, in the reader's own fonts: nothing is fetched from another host."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.gray,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # WCAG asks for a contrast of 4.5; gradio's own grey has 2.5.
        body_text_color_subdued="#57606a",
        body_text_color_subdued_dark="#aab2bd",
        # White on gradio's own orange has 2.8.
        button_primary_background_fill="#9a3412",
        button_primary_background_fill_hover="#7c2d12",
        button_primary_background_fill_dark="#9a3412",
        button_primary_background_fill_hover_dark="#7c2d12",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
    )
