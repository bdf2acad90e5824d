"""How the page looks: its theme, its style sheet, and the script that turns it into the embedded view."""

from pathlib import Path
from typing import Any

import gradio as gr

from plantain.report.palette import DARK, VARIABLES


def _variables(selector: str, values: dict[str, str]) -> str:
    return f"{selector} {{ {' '.join(f'{name}: {value};' for name, value in values.items())} }}\n"


_HERE = Path(__file__).parent
# In the head, not as gradio's ``css``: that is scoped to a container inside the page, where no rule can ask
# whether the page is embedded.
_CSS = _variables(":root", VARIABLES) + _variables(".dark", DARK) + (_HERE / "page.css").read_text(encoding="utf-8")
HEAD = f"<style>\n{_CSS}</style>\n<script>\n{(_HERE / 'page.js').read_text(encoding='utf-8')}</script>\n"


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
