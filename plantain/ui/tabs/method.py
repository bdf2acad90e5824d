"""The Method tab: what is asked, how it is measured, what a head is, and what the numbers cannot say."""

import gradio as gr

from plantain.paths import ROOT

TEXT = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")


def build() -> None:
    """Lay the tab out."""
    gr.Markdown(TEXT, elem_classes=["plantain-method"])
