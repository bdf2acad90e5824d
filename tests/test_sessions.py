"""A session begins with what gradio would have given it, though it is written once; an event imports no pyplot."""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

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


# What an event tells the browser of a component that it leaves, or gives a value to.
PLAIN = [gr.skip(), None, "", "b", "<p>new</p>"]


@pytest.fixture
def event(page):
    """A page's one event: what it answers by gradio alone and as it is now, and which components it made anew."""
    made, _ = page
    with made:
        state, html = gr.State(0), gr.HTML("")
        radio = next(block for block in made.blocks.values() if isinstance(block, gr.Radio))
        outputs = [radio, state, html]
        made.load(lambda: None, None, outputs)
    (block_fn,) = made.fns.values()

    def answered(predictions):
        found = []
        for postprocess in (partial(type(made).postprocess_data, made), made.postprocess_data):
            session = SessionState(made)
            with ThreadPoolExecutor(1) as pool:  # a browser of other tests leaves its event loop running in this one
                data = pool.submit(asyncio.run, postprocess(block_fn, predictions, session)).result(timeout=60)
            anew = [block for block in (radio, html) if session[block._id] is not block]
            found.append((data, session[state._id], anew))
        return found

    return answered, outputs


@pytest.mark.parametrize(
    "given",
    [
        lambda radio, state, html: gr.skip(),
        lambda radio, state, html: {html: "<p>new</p>"},
        lambda radio, state, html: {radio: gr.Radio(["c"], value="c"), state: 3},
        lambda radio, state, html: (gr.skip(), 3, gr.skip()),
        lambda radio, state, html: [gr.update(visible=False), gr.skip(), "<p>new</p>"],
        lambda radio, state, html: ["b", 3, ""],
        lambda radio, state, html: [None, None, None],
    ],
)
def test_an_event_answers_as_gradio_does_and_makes_nothing_anew_that_it_leaves(event, given):
    answered, outputs = event
    predictions = given(*outputs)
    (gradios, its_state, _), (ours, our_state, anew) = answered(predictions)
    for value in gradios:
        if isinstance(value, dict):
            value.pop("props", None)  # of HTML that is left as it is, gradio tells that it is an update twice
    assert ours == gradios
    assert our_state == its_state
    assert anew == [block for block, value in zip(outputs, ours, strict=True) if value not in PLAIN]


def test_too_few_values_are_told_by_gradio(event):
    answered, _ = event
    with pytest.raises(ValueError, match="enough output values"):
        answered(["b", 3])
