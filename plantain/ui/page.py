"""The page: its head and its tabs."""

from __future__ import annotations

import gradio as gr

from plantain.ui import pair, results, run
from plantain.ui.engine import Engine

TITLE = "dense-plantain"
INTRO = """# dense-plantain
Which heads of FLUX.2 Klein respond when a body leaves the T-pose? 25 prompt pairs, the same body in canonical T-pose
and in an expressive pose; the RMS entering every attention output projection; a paired t for every head, beside its
sign-flip null. A head that *responds to* the contrast need not stand for pose: words change with it.
"""


def build_page(engine: Engine) -> gr.Blocks:
    """Assemble the page around a model; nothing is loaded until somebody runs something."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        gr.Markdown(INTRO)
        with gr.Tabs():
            with gr.Tab("Results", id="results"):
                results.build()
            with gr.Tab("Run the probe", id="run"):
                run.build(engine)
            with gr.Tab("Your pair", id="pair"):
                pair.build(engine)
    return page
