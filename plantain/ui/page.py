"""The page: its head and its tabs."""

import gradio as gr

from plantain.ui import api, links
from plantain.ui.engine import Engine
from plantain.ui.links import TABS
from plantain.ui.tabs import controls, method, pair, results, run

TITLE = "dense-plantain"
INTRO = """# dense-plantain
Which heads of FLUX.2 Klein respond when a body leaves the T-pose, how sure can one be, and what else could explain it?
25 prompt pairs, the same body in a T-pose and in an expressive pose; a paired t for every head, beside its sign-flip
null and an untrained twin. A head that *responds to* the contrast need not stand for pose.
"""


def build_page(engine: Engine) -> gr.Blocks:
    """Assemble the page around a model; nothing is loaded until somebody runs something."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        gr.Markdown(INTRO, elem_classes=["plantain-title", "plantain-full"])
        bar = links.bar()
        with gr.Tabs() as tabs:
            with _tab("results"):
                shown = results.build()
            with _tab("run"):
                live = run.build(engine)
            with _tab("pair"):
                typed = pair.build(engine)
            with _tab("controls") as tab:
                checked = controls.build()
            tab.select(controls.fill, None, checked, show_progress="hidden", api_visibility="private")
            with _tab("method"):
                method.build()
        links.connect(page, tabs, bar, {"results": shown, "run": live, "pair": typed})
        api.build(engine)
    return page


def _tab(key: str) -> gr.Tab:
    return gr.Tab(TABS[key], id=key)
