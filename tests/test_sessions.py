"""A session begins with what gradio would have given it, though it is written once; an event imports no pyplot."""

import os
import subprocess
import sys

import gradio as gr
import pytest
from gradio.blocks import BlocksConfig
from gradio.state_holder import SessionState

from plantain.ui.sessions import do_once

EVENT = """
import sys, urllib.request, json
import gradio as gr
from plantain.ui.sessions import do_once
with gr.Blocks() as page:
    word = gr.Textbox("a")
    page.load(lambda: "b", None, word, queue=False)
do_once(page)
page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
body = json.dumps({"data": [], "fn_index": 0, "session_hash": "s"}).encode()
asked = urllib.request.Request(
    page.local_url + "gradio_api/run/predict", body, {"Content-Type": "application/json"}, method="POST"
)
assert json.loads(urllib.request.urlopen(asked).read())["data"] == ["b"]
print("matplotlib.pyplot" in sys.modules)
"""


@pytest.fixture
def page(monkeypatch):
    """A page and what it would be without, by component."""
    monkeypatch.setattr(BlocksConfig, "config_for_block", vars(BlocksConfig)["config_for_block"])  # is put back
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/tmp/gradio")
    with gr.Blocks() as made:
        gr.Radio(["a", "b"], value="a", label="One of two")
        gr.HTML("<p>text</p>")
        gr.Dataframe([[1, 2]], headers=["x", "y"])
    plain = SessionState(made).config_values
    do_once(made)
    return made, plain


def test_a_session_has_the_configuration_that_gradio_writes(page):
    made, plain = page
    assert SessionState(made).config_values == SessionState(made).config_values == plain


def test_what_one_session_changes_another_does_not_see(page):
    made, plain = page
    one, other = SessionState(made), SessionState(made)
    radio = next(at for at, block in made.blocks.items() if isinstance(block, gr.Radio))
    one._update_value_in_config(radio, "b")
    one[radio] = gr.Radio(["c"], value="c", label="Of one", render=False)
    one._update_config(radio)
    assert one.config_values[radio]["props"]["label"] == "Of one"
    assert other.config_values == SessionState(made).config_values == plain


def test_it_is_written_once(page, monkeypatch):
    made, _ = page
    SessionState(made)
    monkeypatch.setattr(gr.Radio, "get_config", None)
    SessionState(made)


def test_an_event_imports_no_pyplot():
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", EVENT], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
