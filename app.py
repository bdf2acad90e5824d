"""The Space: assembles the page, keeps the model, borrows the GPU, launches."""

from __future__ import annotations

import sys

from plantain.ui import start

if __name__ == "__main__":
    start.prepare()  # before gradio is imported

import spaces  # first: on ZeroGPU it must patch torch before anything imports it  # isort: skip

import argparse
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL.Image import Image
from starlette.middleware import Middleware

from plantain.data import dataset as results_repo
from plantain.data.csv_file import MAX_FILE_BYTES
from plantain.data.prompts import PromptPair, PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.model.default import default_model
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS, EMBEDDED_MODELS
from plantain.model.text import call_arguments, drawing_defaults, text_mask
from plantain.paths import ROOT
from plantain.ui import catalog
from plantain.ui.door import Door, fetch_nothing
from plantain.ui.engine import Engine, PatchJob
from plantain.ui.freed import give_back_every
from plantain.ui.limits import MAX_SESSIONS
from plantain.ui.page import FIRST, HEAD, build_page, theme
from plantain.ui.sessions import do_once

if TYPE_CHECKING:
    from plantain.probe.probe import Progress

# Whatever imports torch is imported where it runs: the page is served before, and reads saved runs without.
ON_ZEROGPU = bool(os.environ.get("SPACES_ZERO_GPU"))
# A 512-pixel forward of Klein 4B takes well under a second on the Space's GPU; the rest is waiting
# for weights to arrive there. Visitors are admitted by the seconds asked for, so ask for few.
_START_SECONDS, _SECONDS_A_FORWARD = 10.0, 0.4
# Of a drawing, whose forwards follow one another. Reckoned, not measured: 3 prompts of 1,536 tokens through 4 billion
# weights are 37 TFLOP, an eighth of a second at 300 TFLOP/s; more than twice that is asked for.
_SECONDS_A_DRAWN_PROMPT = 0.1

_GIVE_BACK_EVERY_SECONDS = 30.0
_WARM_UP_AFTER_SECONDS = 30.0  # what the first visitors look at is kept, and needs none of it

_load_lock = threading.Lock()
# A pipeline and the hooks on it serve one caller at a time. The queue alone does not see to that:
# a stopped event gives its place free while its thread still finishes the batch it is in.
_use_lock = threading.Lock()
# A ZeroGPU worker is a fork that serves one call: a lock that another thread held at the fork would
# stay locked in it for ever.
_probe_lock = nullcontext() if ON_ZEROGPU else _use_lock
loaded: dict[str, Any] = {}
served = os.environ.get("PLANTAIN_MODEL") or default_model()


def pipeline() -> Any:
    """The model, loaded on first use and kept."""
    return _kept("pipe", "cuda" if ON_ZEROGPU else None)


def _drawing_pipeline() -> Any:
    """The model to draw with: on ZeroGPU a copy, since weights that wait for a GPU read as zeros in this process."""
    return _kept("drawing", "cpu") if ON_ZEROGPU else pipeline()


def _kept(key: str, device: str | None) -> Any:
    from plantain.model.load import load_pipeline

    if key not in loaded:
        with _load_lock:
            if key not in loaded:
                loaded[key] = load_pipeline(served, device=device)
    return loaded[key]


def seconds_of(prompts: PromptSet, config: ProbeConfig, *args: Any, **kwargs: Any) -> int:
    passes = 2 if config.guidance_scale > 1 else 1
    forwards = 2 * len(prompts) * config.n_seeds * config.num_inference_steps * passes
    return min(300, round(_START_SECONDS + _SECONDS_A_FORWARD * forwards))


@spaces.GPU(duration=seconds_of)
def probe_on_gpu(
    prompts: PromptSet, config: ProbeConfig, resume: ProbeResult | None
) -> Iterator[Progress | InputError]:
    """Steps of ``iter_probe``; on ZeroGPU they run in another process, and what they yield is pickled.

    An InputError is yielded: of one that is raised, ``spaces`` hands on the name and not the sentence.
    A result goes out once, when it is new; a step without news has none.
    """
    from plantain.probe.probe import iter_probe

    steps = iter_probe(pipeline(), prompts, config, resume)
    sent = resume
    while True:
        try:
            with _probe_lock:
                progress = next(steps, None)
        except InputError as error:
            yield error
            return
        if progress is None:
            return
        news = progress.result is not sent
        sent = progress.result
        yield progress if news else replace(progress, result=None)


def probe(
    prompts: PromptSet, config: ProbeConfig, resume: ProbeResult | None = None
) -> Generator[Progress, None, None]:
    """``iter_probe`` on the borrowed GPU, a batch at a time."""
    result = resume
    with closing(probe_on_gpu(prompts, config, resume)) as steps:
        try:
            for step in steps:
                if isinstance(step, InputError):
                    raise step
                result = result if step.result is None else step.result
                yield replace(step, result=result)
        except gr.Error as error:
            raise _in_sentences(error, "Choose fewer noise seeds or fewer pairs.") from error


def _in_sentences(error: gr.Error, advice: str) -> gr.Error:
    """What ``spaces`` says when it lends no GPU, or when a call on one fails: then it gives a bare class name."""
    said = str(error.message).strip()
    if said.isidentifier():
        said = f"The run failed on the GPU with {said}; the log has the details"
    if not said.endswith((".", "!", "?")):
        said += "."
    if error.title == "ZeroGPU illegal duration":
        said += f" {advice}"
    return gr.Error(said, title=error.title, print_exception=False)


def draw(prompts: Sequence[str], seed: int) -> list[Image]:
    """A picture for each prompt from the same noise; only for Posebox, which a CPU draws with in seconds."""
    import torch

    pipe = _drawing_pipeline()
    generators = [torch.Generator("cpu").manual_seed(seed) for _ in prompts]
    arguments = call_arguments(pipe) | {"num_inference_steps": DRAW_STEPS, "guidance_scale": DRAW_GUIDANCE}
    with _use_lock:
        return list(pipe(prompt=list(prompts), generator=generators, **arguments).images)


def shift(pair: PromptPair, config: ProbeConfig) -> np.ndarray:
    """Every attention head's shift in one pair, token by token: one forward of what draws, so no GPU is asked for."""
    from plantain.probe.shift import pair_shift

    pipe = _drawing_pipeline()
    with _use_lock:
        return pair_shift(pipe, pair, config)


def patched(job: PatchJob) -> np.ndarray:
    """A, B and the patched picture: Posebox on a CPU, anything else on the GPU that is there or lent."""
    if served in EMBEDDED_MODELS:
        pipe = _drawing_pipeline()
        with _use_lock:
            return _patched(pipe, job)
    try:
        found = patched_on_gpu(job)
    except gr.Error as error:
        raise _in_sentences(error, "This model draws for longer than this Space lends.") from error
    if isinstance(found, InputError):
        raise found
    return found


def patched_seconds(job: PatchJob, *args: Any, **kwargs: Any) -> int:
    steps, guidance = drawing_defaults(pipeline())
    n_prompts = 3 * steps * (2 if guidance > 1 else 1)
    return min(300, round(_START_SECONDS + _SECONDS_A_DRAWN_PROMPT * n_prompts))


@spaces.GPU(duration=patched_seconds)
def patched_on_gpu(job: PatchJob) -> np.ndarray | InputError:
    """The same, pickled on its way back on ZeroGPU; an InputError is returned, as ``probe_on_gpu`` yields it."""
    try:
        with _probe_lock:
            return _patched(pipeline(), job)
    except InputError as error:
        return error


def _patched(pipe: Any, job: PatchJob) -> np.ndarray:
    from plantain.probe.patched_pictures import default_drawing, draw_patched

    steps, _ = drawing_defaults(pipe)
    drawing = default_drawing(pipe, job.seed, job.steps_of(steps))
    drawing = replace(drawing, height=job.size[0], width=job.size[1])
    side, alpha = np.array([job.side]), np.array([job.alpha])
    return draw_patched(pipe, job.pair, job.runs[None], side, alpha, drawing)


def tokens(prompts: Sequence[str]) -> np.ndarray:
    """Real tokens of each prompt; raises InputError for one the model cannot read whole."""
    pipe = pipeline()
    with _use_lock:
        return text_mask(pipe, prompts).sum(axis=1)


def keep(result: ProbeResult) -> str | None:
    """Push a finished run to the results dataset where it belongs there; its address, or None."""
    address = results_repo.keep(result)
    if address is not None:
        result.save(catalog.fetched_folder() / results_repo.run_name(result))  # in the list without a restart
    return address


def build() -> Any:
    """The page around the chosen model."""
    small = served in EMBEDDED_MODELS
    return build_page(
        Engine(
            served,
            probe,
            draw if small else None,
            tokens,
            gpu_seconds=seconds_of if ON_ZEROGPU else None,
            keep=keep,
            shift=shift if small else None,
            patched=patched,
            patched_seconds=patched_seconds if ON_ZEROGPU and not small else None,
        )
    )


def _has_mcp() -> bool:
    """Whether gradio can serve the endpoints as MCP tools; asked to without its extra, it would not start."""
    try:
        import mcp  # noqa: F401
    except ImportError:
        return False
    return True


def _leave(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the removal
    sys.exit(0)


def _warm_up() -> None:
    """Import, beside the page that is served already, what the first drawer or the first other run needs."""
    import matplotlib.figure  # noqa: F401
    import scipy.stats  # noqa: F401


def main(arguments: Sequence[str] | None = None) -> int:
    """``python app.py``; on a Space it is run the same way, without options."""
    global served
    parser = argparse.ArgumentParser(description="Serve the page.")
    parser.add_argument("--model", default=served, help="posebox, a Hub id, or a folder")
    parser.add_argument("--host", default=None, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=None, help="port (default: 7860, or the next free one)")
    parser.add_argument("--runs", help="folder that *Save this run* writes to (default: runs beside app.py)")
    options = parser.parse_args(arguments)
    served = options.model
    os.environ["GRADIO_SSR_MODE"] = "false"
    try:
        if runs := options.runs or os.environ.get(start.RUNS_VARIABLE):
            start.set_saved_folder(runs)
        host = start.free_host(options.host, options.port)
        if ON_ZEROGPU or served not in EMBEDDED_MODELS:
            # On ZeroGPU weights must wait in the main process before a GPU is lent; anywhere, gigabytes
            # are fetched and a wrong name is told before the page opens, not under the first click.
            pipeline()
        catalog.fetch_in_background()
        if ON_ZEROGPU and served in EMBEDDED_MODELS:
            _drawing_pipeline()
        page = build()
    except InputError as error:
        print(f"plantain: {error}", file=sys.stderr)
        return 2
    # A polite kill leaves by the ordinary door, through which temporary folders are removed.
    signal.signal(signal.SIGTERM, _leave)
    fetch_nothing()
    do_once(page)
    page.queue(max_size=20)
    warming = threading.Timer(_WARM_UP_AFTER_SECONDS, _warm_up)
    warming.daemon = True
    warming.start()
    give_back_every(_GIVE_BACK_EVERY_SECONDS)
    page.launch(
        server_name=host,
        server_port=options.port,
        ssr_mode=False,
        show_error=True,
        theme=theme(),
        mcp_server=_has_mcp(),
        footer_links=["api", "gradio"],
        max_file_size=MAX_FILE_BYTES,
        state_session_capacity=MAX_SESSIONS,
        # Nothing of the project or of saved runs is handed out as a file: what is, is made in a temporary folder.
        blocked_paths=[str(ROOT), str(catalog.saved_folder())],
        app_kwargs={"middleware": [Middleware(Door, head=HEAD, body=FIRST)]},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
