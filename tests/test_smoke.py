"""One test of each door, in every run: shell, page, endpoints, pictures, and a browser where there is one."""

import signal
import urllib.error
import urllib.request
from contextlib import contextmanager
from threading import Timer

import gradio as gr
import numpy as np
import pytest
from browser import FEW_PAIRS, free_port, open_page, shows
from gradio import processing_utils

import app
from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptPair
from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.questions.response import summarise
from plantain.ui.engine import PatchJob

PAIR = PromptPair("pair", "a nurse standing in a gym", "a nurse kneeling in a gym")


@pytest.fixture(scope="module")
def loaded(posebox):
    """The app with the model that other tests have loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "loaded", {"pipe": posebox})
        patch.setattr(app, "served", "posebox")
        yield app


@contextmanager
def launched(arguments):
    """``app.main`` in this process, which goes on beside it; everything that it changes here is put back."""
    pages, launch = [], gr.Blocks.launch

    def beside(page, **options):
        pages.append(page)
        return launch(page, **options, prevent_thread_lock=True, quiet=True)

    ends = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gr.Blocks, "launch", beside)
        patch.setattr(processing_utils, "async_ssrf_protected_download", None)  # app.main sets another; put back
        patch.setattr(Timer, "start", lambda self: None)
        patch.setattr(app, "give_back_every", lambda seconds: None)
        assert app.main(arguments) == 0
        try:
            yield pages[0].local_url
        finally:
            pages[0].close()
            signal.signal(signal.SIGTERM, ends)


@pytest.fixture(scope="module")
def url(loaded):
    with launched(["--model", "posebox", "--port", str(free_port())]) as address:
        yield address


def test_the_page_is_asked_through_its_endpoints(url):
    from gradio_client import Client

    client = Client(url, verbose=False)
    try:
        assert "shipped/posebox" in {row["run"] for row in client.predict(api_name="/results")["runs"]}
        assert client.predict(csv=FEW_PAIRS, api_name="/run_probe")["summary"]["n_pairs"] == 5
    finally:
        client.close()


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        ("file=http://example.invalid/x", 403, "This page hands out its own files alone."),
        ("file=/etc/passwd", 403, ""),
        ("deep_link?session_hash=x", 404, "This page keeps no state under a name"),
    ],
)
def test_the_door_fetches_no_address_hands_out_no_file_and_keeps_no_state(url, path, code, sentence):
    with pytest.raises(urllib.error.HTTPError, match=str(code)) as refusal:
        urllib.request.urlopen(f"{url}gradio_api/{path}", timeout=60)
    assert sentence in refusal.value.read().decode()


def test_the_page_opens_in_a_browser(url, browser):
    with open_page(browser, url) as page:
        counts = summarise(load_result(RUNS / "posebox")).counts
        shows(page, f"{counts[0]} of 510 card heads")


def test_a_command_runs_and_its_run_is_reported(run_cli, tmp_path):
    (tmp_path / "few.csv").write_text(FEW_PAIRS)
    run = tmp_path / "run"
    status, printed, told = run_cli("run", "--model", "posebox", "--prompts", tmp_path / "few.csv", "--out", run)
    assert status == 0, told
    assert "of 510 heads" in printed
    assert "Saved 5 pairs" in told
    status, _, told = run_cli("report", run)
    assert status == 0, told
    files = {path.name for path in (run / "report").iterdir()}
    assert {"report.md", "summary.json", "heads.csv", "overview.png"} <= files, files


def test_two_pictures_are_generated_and_one_is_patched(loaded, posebox):
    first, second = loaded.draw([PAIR.a, PAIR.b], 3)
    heads = HeadMap.from_transformer(posebox.transformer).runs_of_heads("head").any(axis=0)
    a, b, patched = loaded.patched(PatchJob(PAIR, heads, 0, 1.0, "all", 3, (128, 128))).astype(int)
    for here, there in ((a, first), (b, second)):
        np.testing.assert_allclose(here, np.asarray(there, dtype=int), atol=2)
    assert np.abs(patched - b).mean() < np.abs(patched - a).mean() / 2
