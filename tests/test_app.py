"""The page's door to the model: one caller at a time, even when a stopped one is still at work."""

import threading

import gradio as gr
import numpy as np
import pytest
from tolerance import LEVELS

import app
import plantain
from plantain.data.prompts import PromptSet
from plantain.ui.limits import MAX_SESSIONS


@pytest.fixture
def served(monkeypatch, posebox):
    monkeypatch.setattr(app, "pipeline", lambda: posebox)
    return app


def prompt_set(n, words):
    return PromptSet.from_pairs([(f"{words} number {i} standing", f"{words} number {i} sitting") for i in range(n)])


def test_two_probes_at_once_give_what_each_gives_alone(served, posebox):
    jobs = [
        (prompt_set(4, "a cat"), plantain.ProbeConfig(n_seeds=2, batch_size=2)),
        (prompt_set(3, "an old wooden robot"), plantain.ProbeConfig(n_seeds=4, batch_size=4)),
    ]
    alone = [plantain.run_probe(posebox, *job).mean_square for job in jobs]
    together = [None, None]

    def work(index):
        *_, last = served.probe(*jobs[index])
        together[index] = last.result.mean_square

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_abandoned_probe_keeps_nobody_waiting(served):
    abandoned = served.probe(prompt_set(6, "a cat"), plantain.ProbeConfig(batch_size=2))
    next(abandoned)
    *_, last = served.probe(prompt_set(3, "a dog"), plantain.ProbeConfig())
    assert last.result.complete


def test_drawing_gives_a_picture_for_each_prompt_from_the_same_noise(served):
    first, second, again = served.draw(["a cat", "a dog", "a cat"], 3)
    assert first.size == (128, 128)
    first, second, again = (np.asarray(picture, dtype=int) for picture in (first, second, again))
    np.testing.assert_allclose(again, first, atol=LEVELS)
    assert np.abs(second - first).max() > 10 * LEVELS


def test_tokens_are_counted_and_a_prompt_too_long_is_refused(served):
    counts = served.tokens(["a cat", "a small cat"])
    assert counts[1] > counts[0]
    with pytest.raises(plantain.InputError, match="reads at most 96"):
        served.tokens(["zyx " * 120])


def test_the_seconds_asked_for_grow_with_the_work(served):
    few = served.seconds_of(prompt_set(3, "a cat"), plantain.ProbeConfig())
    many = served.seconds_of(prompt_set(25, "a cat"), plantain.ProbeConfig(n_seeds=4))
    assert few < many <= 300


def test_an_unknown_model_is_a_sentence_on_the_shell(capsys, monkeypatch):
    monkeypatch.setattr(app, "loaded", {})
    monkeypatch.setattr(app, "served", "posebox")
    assert app.main(["--model", "posebux"]) == 2
    assert "Unknown model 'posebux'" in capsys.readouterr().err


def test_the_gpu_seconds_a_run_asks_for_are_said_before_it_starts(served):
    from plantain.ui.engine import Engine
    from plantain.ui.limits import estimate as sentence

    engine = Engine("acme/klein", served.probe, None, served.tokens, gpu_seconds=served.seconds_of)
    prompts, config = prompt_set(25, "a cat"), plantain.ProbeConfig()
    assert f"asks for {served.seconds_of(prompts, config)} seconds of GPU" in sentence(engine, prompts, config)
    too_much = plantain.ProbeConfig(n_seeds=16, num_inference_steps=9)
    assert "the page at most 6,400" in sentence(engine, prompts, too_much)


def test_the_server_remembers_so_many_tabs_and_no_more(monkeypatch):
    """gradio would keep ten thousand of them, with what each was sent, for as long as it runs."""
    from gradio.state_holder import StateHolder

    launched = {}
    monkeypatch.setattr(gr.Blocks, "launch", lambda self, **options: launched.update(options))
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.setattr(app, "served", "posebox")
    assert app.main([]) == 0
    with gr.Blocks() as page:
        gr.State(None)
    page.state_session_capacity = launched["state_session_capacity"]
    holder = StateHolder()
    holder.set_blocks(page)
    for visitor in range(MAX_SESSIONS + 20):
        assert holder[f"tab {visitor}"] is not None
        assert holder["the one who stays"] is not None
    assert len(holder.session_data) == MAX_SESSIONS
    assert "the one who stays" in holder
    assert "tab 0" not in holder
