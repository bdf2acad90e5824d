"""The app on an emulated ZeroGPU: weights that wait, forked workers, and a scheduler that may refuse."""

import itertools
import pickle
import sys

import gradio as gr
import numpy as np
import psutil
import pytest
import torch
import zerogpu
from spaces.zero.config import get_config

import app
import plantain
from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptPair
from plantain.model.identity import weights_fingerprint
from plantain.ui.engine import PatchJob

# The emulation runs the real packing of `spaces`, which opens files with O_DIRECT: Linux alone has that flag.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ZeroGPU is Linux, and its packing reads without cache")
# The same CPU with one thread on both sides; a kernel may still go by where in memory values lie.
FLOAT32_ROUNDING = 1e-5
CONFIG = plantain.ProbeConfig(n_seeds=2, batch_size=2)
PAIR = ("Probe this pair", "A nurse standing in a gym", "A nurse kneeling in a gym", 3, 0)
# Header, claims and signature of a token that names nobody in particular.
KNOWN_VISITOR = "e30.e30.x"


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zerogpu")
    with zerogpu.start(folder) as started:
        yield started
        processes = [psutil.Process(started.process.pid), *started.scheduler.workers]
    assert not any(process.is_running() for process in processes)


@pytest.fixture
def lending(space):
    """The space with a scheduler that lends again afterwards."""
    yield space
    space.scheduler.refusal = None


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As there: sums in the same order, and no contest for cores with the app."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def direct(one_thread, posebox, small_prompts):
    """The same run without ZeroGPU."""
    return plantain.run_probe(posebox, small_prompts, CONFIG)


def probe(space, prompts, config=CONFIG, **options):
    return list(space.call("probe", prompts, config, **options))


def same(result, direct):
    np.testing.assert_allclose(result.mean_square, direct.mean_square, rtol=FLOAT32_ROUNDING)
    return True


# -- through workers -------------------------------------------------------------------------------


def test_weights_are_packed_before_the_page_opens_and_the_start_is_reported(space, posebox):
    assert space.scheduler.requests[0] == ("/startup-report", {})
    assert len(space.scheduler.asked("/startup-report")) == 1
    (pack,) = (space.folder / "offload").iterdir()
    assert pack.stat().st_size >= sum(p.numel() * p.element_size() for p in posebox.transformer.parameters())
    # What a handler of the page sees of them are zeros.
    assert list(space.call("fingerprint")) != [weights_fingerprint(posebox)]


def test_a_worker_gives_what_a_direct_run_gives_batch_by_batch(space, small_prompts, direct, posebox):
    steps = probe(space, small_prompts)
    assert [(step.done, step.total) for step in steps] == [(n // 2, 5) for n in range(1, 11)]
    assert [step.result is None for step in steps[:2]] == [True, False]
    assert all(step.result.n_pairs == step.done for step in steps[1:])
    result = steps[-1].result
    assert same(result, direct)
    np.testing.assert_array_equal(result.token_counts, direct.token_counts)
    assert (result.prompts, result.config, result.complete) == (small_prompts, CONFIG, True)
    assert result.head_map == direct.head_map
    assert result.provenance["weights_fingerprint"] == weights_fingerprint(posebox)
    passing = {"seconds", "started"}
    here, there = direct.provenance, result.provenance
    assert {key: there[key] for key in there.keys() - passing} == {key: here[key] for key in here.keys() - passing}


@pytest.mark.filterwarnings("ignore:Error while reading infos from Nvidia")
@pytest.mark.parametrize("n_seeds", [1, 4])
def test_the_scheduler_is_asked_for_the_estimated_seconds(space, small_prompts, n_seeds):
    config = plantain.ProbeConfig(n_seeds=n_seeds)
    probe(space, small_prompts, config, take=1)
    seconds = app.seconds_of(small_prompts, config) * get_config()["duration_factor"]
    assert int(space.scheduler.asked("/schedule")[-1]["durationSeconds"]) == round(seconds)


def test_a_worker_serves_again_whatever_became_of_its_last_call(space, small_prompts, direct):
    before = len(space.calls)
    probe(space, small_prompts)
    with space.fault("held"):
        probe(space, small_prompts, take=1)  # a visitor who stops
    assert same(probe(space, small_prompts)[-1].result, direct)
    with space.fault("memory"), pytest.raises(RuntimeError, match="InputError"):
        probe(space, small_prompts)
    assert same(probe(space, small_prompts)[-1].result, direct)
    calls = space.calls[before:]
    assert [call["forwards"] for call in calls[::2]] == [10, 10, 10]
    assert calls[1]["forwards"] < 10, "the abandoned run went on"
    assert {call["hooks"] for call in calls} == {0}
    assert len({call["pid"] for call in calls}) == 1, "the worker was not used again"
    assert {release["fail"] for release in space.scheduler.asked("/release")[-5:]} == {"false"}


def test_after_a_fault_of_the_code_a_new_worker_serves(space, small_prompts, direct):
    with space.fault("code"), pytest.raises(RuntimeError, match="failed on the GPU with KeyError; the log has"):
        probe(space, small_prompts)
    assert "a fault of the code" in space.log
    assert space.scheduler.asked("/release")[-1]["fail"] == "true"
    assert same(probe(space, small_prompts)[-1].result, direct)
    failed, served = space.calls[-2:]
    assert failed["pid"] != served["pid"]


@pytest.mark.parametrize(
    ("config", "fault", "sentence"),
    [
        (CONFIG, "memory", "The GPU's memory is too small for 2 prompts of 128 × 128 pixels at a time; set batch_size"),
        (plantain.ProbeConfig(height=100), "", "height must be a multiple of 16 pixels for this model; got 100."),
    ],
)
def test_an_input_error_in_a_worker_keeps_its_sentence(space, small_prompts, config, fault, sentence):
    with space.fault(fault), pytest.raises(RuntimeError, match=f"^InputError: {sentence}"):
        probe(space, small_prompts, config)


def test_between_two_processes_a_result_travels_once_and_stays_one(monkeypatch, posebox, small_prompts):
    monkeypatch.setattr(app, "pipeline", lambda: posebox)
    there, sent = app.probe_on_gpu, []

    def pickled(*arguments):
        for step in there(*arguments):
            sent.append(step.result)
            yield pickle.loads(pickle.dumps(step))

    monkeypatch.setattr(app, "probe_on_gpu", pickled)
    steps = list(app.probe(small_prompts, CONFIG))
    assert [result is not None for result in sent] == [False, True] * 5
    assert [step.result is before.result for before, step in itertools.pairwise(steps)] == [False, True] * 4 + [False]


@pytest.mark.parametrize(
    ("said", "title", "sentence"),
    [
        ("No GPU was available", "ZeroGPU client error", "No GPU was available."),
        ("Try again in 1:00:00. ", "ZeroGPU quota exceeded", "Try again in 1:00:00."),
        ("KeyError", "ZeroGPU worker error", "The run failed on the GPU with KeyError; the log has the details."),
    ],
)
def test_what_spaces_says_becomes_whole_sentences(monkeypatch, said, title, sentence):
    def refuse(*_):
        raise gr.Error(said, title=title)

    monkeypatch.setattr(app, "probe_on_gpu", lambda *_: (refuse() for _ in [0]))
    with pytest.raises(gr.Error) as caught:
        next(app.probe(None, CONFIG))
    assert (caught.value.message, caught.value.title) == (sentence, title)


def test_a_wait_in_line_for_a_gpu_ends_in_the_run(lending, small_prompts, direct):
    lending.scheduler.refusal = "queued"
    assert same(probe(lending, small_prompts)[-1].result, direct)


# -- without a GPU ---------------------------------------------------------------------------------


def test_drawing_and_counting_tokens_need_no_gpu_and_read_true_weights(lending, posebox, monkeypatch):
    monkeypatch.setitem(app.loaded, "pipe", posebox)
    lending.scheduler.refusal = "quota"
    asked = len(lending.scheduler.requests)
    prompts = ["a nurse standing in a gym", "a nurse kneeling in a gym"]
    (drawn,) = lending.call("draw", prompts, 3)
    for there, here in zip(drawn, app.draw(prompts, 3), strict=True):
        np.testing.assert_allclose(np.asarray(there, dtype=int), np.asarray(here, dtype=int), atol=1)
    pair = PromptPair("pair", *prompts)
    (shift,) = lending.call("shift", pair, plantain.ProbeConfig(seed=3))
    here = app.shift(pair, plantain.ProbeConfig(seed=3))
    np.testing.assert_allclose(shift, here, rtol=0, atol=FLOAT32_ROUNDING * here.max())
    (counts,) = lending.call("tokens", prompts)
    np.testing.assert_array_equal(counts, app.tokens(prompts))
    with pytest.raises(RuntimeError, match=r"^InputError: .* reads at most 96"):
        list(lending.call("tokens", ["zyx " * 120]))
    assert len(lending.scheduler.requests) == asked


def test_a_patched_picture_needs_no_gpu_where_posebox_draws_it_and_is_the_same_on_a_lent_one(
    lending, posebox, monkeypatch
):
    monkeypatch.setitem(app.loaded, "pipe", posebox)
    pair = PromptPair("pair", "a nurse standing in a gym", "a nurse kneeling in a gym")
    heads = HeadMap.from_transformer(posebox.transformer).runs_of_heads("head")[::2].any(axis=0)
    job = PatchJob(pair, heads, 0, 1.0, "first third", 3, (128, 128))
    here, asked = app.patched(job).astype(int), len(lending.scheduler.requests)
    (there,) = lending.call("patched", job)
    assert len(lending.scheduler.requests) == asked
    (lent,) = lending.call("patched_on_gpu", job)
    seconds = app.patched_seconds(job) * get_config()["duration_factor"]
    assert int(lending.scheduler.asked("/schedule")[-1]["durationSeconds"]) == round(seconds)
    for pictures in (there, lent):
        assert pictures.dtype == np.uint8
        np.testing.assert_allclose(pictures.astype(int), here, atol=1)


# -- what a visitor sees ---------------------------------------------------------------------------


def controls(outputs):
    """Of start, stop and save: whether each can be pressed."""
    return [outputs[i].get("interactive") for i in (2, 3, 5)]


@pytest.mark.parametrize(
    ("refusal", "token", "sentence"),
    [
        ("quota", None, "Space app has reached its GPU limit."),
        ("quota", KNOWN_VISITOR, "You have exceeded your ZeroGPU quota (17s requested vs. 5s left). Try again in 1:00"),
        ("illegal duration", KNOWN_VISITOR, "(17s) is larger than the maximum allowed. Choose fewer noise seeds"),
        ("busy", KNOWN_VISITOR, "No GPU was available."),
    ],
    ids=["limit of the space", "quota", "illegal duration", "busy"],
)
def test_a_refusal_is_a_sentence_and_the_page_can_be_used_on(lending, refusal, token, sentence):
    visitor = lending.visitor(token)
    lending.scheduler.refusal = refusal
    outputs = visitor.run()
    assert sentence in zerogpu.text_of(outputs[0])
    start, stop, save = controls(outputs)
    assert (start, stop) == (True, False)
    assert not save, "there is nothing to save"
    pair = (*PAIR[:-1], 1 + len(sentence))  # under noise of its own: what was found before is kept
    said = zerogpu.text_of(visitor.press(*pair)[0])
    assert said.startswith("Not run. ")
    assert said.endswith(".")
    lending.scheduler.refusal = None
    assert "Done in" in visitor.press(*pair)[0]
    assert "As found before" in visitor.press(*pair)[0]


def test_a_refusal_leaves_the_last_run_standing(lending):
    visitor = lending.visitor()
    visitor.run()
    lending.scheduler.refusal = "busy"
    visitor.run()
    assert f"{zerogpu.N_PAIRS} of {zerogpu.N_PAIRS} pairs" in str(visitor.do("recount", None, "card", 0))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("code", "The run failed on the GPU with KeyError; the log has the details."),
        ("abort", "GPU task aborted."),
    ],
)
def test_a_run_that_fails_half_way_keeps_its_pairs(space, fault, sentence):
    visitor = space.visitor()
    with space.fault(fault):
        outputs = visitor.run()
    assert zerogpu.text_of(outputs[0]).startswith(
        f"Stopped by an error after {zerogpu.PAIRS_A_BATCH} of {zerogpu.N_PAIRS} pairs. {sentence}"
    )
    assert controls(outputs) == [True, False, True]
    assert f"{zerogpu.PAIRS_A_BATCH} of {zerogpu.N_PAIRS} pairs" in str(visitor.do("recount", None, "head", 0))


def test_a_run_goes_on_in_smaller_batches_where_the_memory_is_too_small(space):
    visitor = space.visitor()
    with space.fault("memory"):
        outputs = visitor.run()
    assert zerogpu.text_of(outputs[0]).startswith(f"Done: {zerogpu.N_PAIRS} pairs in ")
    assert f"{zerogpu.N_PAIRS} of {zerogpu.N_PAIRS} pairs" in str(visitor.do("recount", None, "head", 0))


def test_a_visitor_who_stops_keeps_the_pairs_and_gives_the_gpu_back(space):
    visitor = space.visitor()
    with space.fault("held") as let_go:

        def stop() -> None:
            visitor.do("Stop, and keep the pairs done")
            let_go()

        at = f"Pair {zerogpu.PAIRS_A_BATCH} of"
        outputs = visitor.run(zerogpu.N_SEEDS, then=stop, at=at)
    assert "they are kept below" in outputs[0]
    assert controls(outputs) == [True, False, True]
    assert space.calls[-1]["forwards"] < 2 * zerogpu.N_SEEDS
    assert space.scheduler.held == set()


def test_your_pair_is_probed_and_drawn(space):
    outputs = space.visitor().press(*PAIR)
    assert "Done in" in outputs[0]
    assert all(picture["visible"] and picture["value"] for picture in outputs[3:5])
    assert any("One pair gives no null" in str(shown) for shown in outputs[5:])
