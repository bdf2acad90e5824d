"""ZeroGPU without a GPU: a scheduler on loopback, and ``app.py`` under ``spaces`` with the CPU in the GPU's place.

>>> with zerogpu.start(folder) as space:                 # python tests/zerogpu.py --port …, in a process of its own
...     *_, last = space.call("probe", prompts, config)  # as a page's handler calls it: scheduled, forked, pickled
...     said = space.visitor().press("Run the probe", "dense_pose", None, 0, 1, "card")[0]

Real are ``spaces``, its fakes of CUDA tensors, the packing of weights to disk, the fork, the queues and the HTTP
client. Not real is what only a GPU can do: CUDA's start and the copy of the weights onto the device. What the
scheduler answers follows ``spaces/zero/api.py`` and ``client.py``; how Hugging Face's own decides is unknown here.
"""

from __future__ import annotations

import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
# What /schedule answers instead of a GPU: status and body.
REFUSALS = {
    "quota": (429, {"left": 5, "wait": 3600}),
    "illegal duration": (429, {"left": 5, "wait": -1}),
    "busy": (503, {}),
}
# Loading torch, diffusers and gradio; generous, since a machine that runs tests is busy.
_START_SECONDS = 120
# A forward that is held and never let go goes on after this long, so that a failing test ends.
_HELD_SECONDS, HELD_AFTER = 60, 4
N_SEEDS, PAIRS_A_BATCH = 4, 6  # with as many seeds held after the first batch
N_PAIRS = 9  # of a visitor's file: the second batch is not whole
PAIRS = "a,b\n" + "".join(f"a {who} standing,a {who} leaping\n" for who in "abcdefghi")
_FAULT, _CALLS, _CONTROL = "fault", "calls.jsonl", "control"


# -- in the test process ---------------------------------------------------------------------------


class Scheduler:
    """Stands in for the service that lends GPUs; ``requests`` holds what it was asked, in order.

    ``refusal`` None lends, a key of REFUSALS refuses, "queued" lends after a wait in line.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.workers: list[psutil.Process] = []
        self.refusal: str | None = None
        self._task_of: dict[str, str] = {}
        self._idle: set[str] = set()  # tasks whose last worker ended its call well, and waits
        scheduler = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                scheduler._answer(self, parts.path, dict(parse_qsl(parts.query)))

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def held(self) -> set[str]:
        """Tokens of GPUs lent and not given back."""
        return set(self._task_of) - {release["allowToken"] for release in self.asked("/release")}

    def asked(self, path: str) -> list[dict[str, str]]:
        return [parameters for asked, parameters in self.requests if asked == path]

    def _answer(self, handler: BaseHTTPRequestHandler, path: str, parameters: dict[str, str]) -> None:
        self.requests.append((path, parameters))
        if path == "/schedule":
            if self.refusal in REFUSALS:
                return _send(handler, *REFUSALS[self.refusal])
            lent = self._lend(parameters["taskId"])
            return _send_queued(handler, lent) if self.refusal == "queued" else _send(handler, 200, lent)
        if path == "/allow":
            self.workers.append(psutil.Process(int(parameters["pid"])))
        if path == "/release" and parameters["fail"] == "false":
            self._idle.add(self._task_of[parameters["allowToken"]])
        _send(handler, 200, {})

    def _lend(self, task: str) -> dict[str, Any]:
        token = f"token-{len(self._task_of)}"
        self._task_of[token] = task
        idle = task in self._idle
        self._idle.discard(task)
        return {"idle": idle, "nvidiaIndex": 0, "nvidiaUUID": "GPU-none", "allowToken": token}


def _send(handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def _send_queued(handler: BaseHTTPRequestHandler, lent: dict[str, Any]) -> None:
    """A place in line, as server-sent events; ``spaces`` reads one event a chunk."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    for event in ("event: ping\n\n", f"event: succeeded\ndata: {json.dumps(lent)}\n\n"):
        handler.wfile.write(event.encode())
        handler.wfile.flush()
        time.sleep(0.3)


class Space:
    """The running app, its scheduler, and a door to its functions beside the page."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], scheduler: Scheduler, url: str) -> None:
        self.folder, self.process, self.scheduler, self.url = folder, process, scheduler, url

    def call(self, name: str, *arguments: Any, take: int | None = None) -> Iterator[Any]:
        """What ``app.<name>(*arguments)`` gives in a thread of the app; with ``take``, given up after so many steps.

        An exception there is a RuntimeError here, with its kind and its words.
        """
        with Client(str(self.folder / _CONTROL)) as connection:
            connection.send((name, arguments, take))
            while True:
                kind, value = connection.recv()
                if kind == "end":
                    return
                if kind == "error":
                    raise RuntimeError(value)
                yield value

    def visitor(self, token: str | None = None) -> Visitor:
        return Visitor(self.url, token)

    @property
    def calls(self) -> list[dict[str, int]]:
        """Of every probe that ended in a worker: its process, the hooks it found, the forwards it made."""
        path = self.folder / _CALLS
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @contextmanager
    def fault(self, name: str) -> Iterator[Callable[[], None]]:
        """In workers, meanwhile: "held" after ``HELD_AFTER`` forwards, or at the second "memory", "code" or "abort".

        Yields what ends it before the block does.
        """
        path = self.folder / _FAULT
        path.write_text(name)

        def end() -> None:
            path.unlink(missing_ok=True)

        try:
            yield end
        finally:
            end()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


class Visitor:
    """A session of the page, over HTTP as a browser speaks it; ``token`` is what Hugging Face adds for a known one."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"x-gradio-user": "app"} | ({"x-ip-token": token} if token else {})
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)
        self._session = uuid4().hex
        config = self._http.get("config").json()
        self._components = {component["id"]: component["props"] for component in config["components"]}
        self._events = config["dependencies"]

    def press(self, label: str, *data: Any, then: Callable[[], None] | None = None, at: str = "") -> list[Any]:
        """Press a button and wait for the end: its last outputs. ``then`` is called once, when the page says ``at``."""
        body = {"data": list(data), "fn_index": self._event(label)["id"], "session_hash": self._session}
        self._http.post("gradio_api/queue/join", json=body).raise_for_status()
        with self._http.stream("GET", "gradio_api/queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if then and message.get("msg") == "process_generating" and at in str(message["output"]["data"][0]):
                    then()
                    then = None
                if message.get("msg") == "process_completed":
                    assert message["success"], message
                    return message["output"]["data"]
        raise AssertionError("The stream ended before the event did.")

    def upload(self, text: str) -> dict[str, Any]:
        """Upload a CSV file; what its field holds then."""
        files = {"files": ("pairs.csv", text.encode(), "text/csv")}
        (path,) = self._http.post("gradio_api/upload", files=files).raise_for_status().json()
        return {"path": path, "orig_name": "pairs.csv", "meta": {"_type": "gradio.FileData"}}

    def run(self, n_seeds: int = 1, **options: Any) -> list[Any]:
        """Run the probe on a small file of pairs: the last outputs, as ``press`` gives them."""
        rest = (0, n_seeds, 1, "its own, at most 512", "card", None, "")
        return self.press("Run the probe", "dense_pose", self.upload(PAIRS), *rest, **options)

    def do(self, name: str, *data: Any) -> list[Any]:
        """The same of an event that does not queue, by its function or its button."""
        body = {"data": list(data), "fn_index": self._event(name)["id"], "session_hash": self._session}
        answer = self._http.post("gradio_api/run/predict", json=body).raise_for_status()
        return answer.json()["data"]

    def _event(self, name: str) -> dict[str, Any]:
        for event in self._events:
            labels = [self._components[target[0]].get("value") for target in event["targets"] if target[0] is not None]
            if name == event["api_name"] or name in labels:
                return event
        raise AssertionError(f"The page has no event {name!r}.")


def text_of(line: str) -> str:
    """What a reader sees of a line of HTML."""
    return html.unescape(re.sub("<[^>]*>", "", line))


@contextmanager
def start(folder: Path) -> Iterator[Space]:
    """Run the app in an empty folder under an emulated ZeroGPU; at the end none of its processes is left."""
    scheduler = Scheduler()
    (folder / "cgroup").write_text("0::/space\n")
    (folder / "home").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SPACE", "ZERO"))} | {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": scheduler.url,
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(folder / "cgroup"),
        "ZEROGPU_OFFLOAD_DIR": str(folder / "offload"),
        "ZEROGPU_MMAP_AUTOPRUNE_PATTERN": "/nonexistent/*",  # else packing deletes files of the Hub's cache
        "HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "OMP_NUM_THREADS": "1",
        "PLANTAIN_MODEL": "posebox",
        "PLANTAIN_RUNS": str(folder / "runs"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, __file__, "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    space = Space(folder, process, scheduler, f"http://127.0.0.1:{port}/")
    try:
        _wait_until_served(space)
        yield space
    finally:
        _end(space)
        scheduler.close()


def _wait_until_served(space: Space) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        assert space.process.poll() is None, space.log
        assert time.monotonic() < until, f"not served within {_START_SECONDS} s:\n{space.log}"
        try:
            urllib.request.urlopen(space.url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)


def _end(space: Space) -> None:
    """End workers before the app, which reaps them: they would outlive it."""
    app = psutil.Process(space.process.pid) if space.process.poll() is None else None
    workers = {*space.scheduler.workers, *(app.children(recursive=True) if app else ())}
    for worker in workers:
        if worker.is_running():  # the process met at /allow, not another that got its number
            worker.kill()
    psutil.wait_procs(workers, timeout=20)
    space.process.kill()
    space.process.wait(timeout=20)
    left = [worker.pid for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    assert left == [], f"workers left: {left}"


# -- in the app's process --------------------------------------------------------------------------


def put_cpu_in_place_of_gpu() -> None:
    """Import ``spaces`` as it is on ZeroGPU, with a torch built for CPUs."""
    import torch

    torch.version.cuda = "12.8"
    torch._C._cuda_init = lambda: None
    torch.cuda._is_in_bad_fork = bool  # gives False, and pickles
    import spaces.zero.torch

    spaces.zero.torch.init = lambda nvidia_uuid: None
    spaces.zero.torch.move = _move


def _move(callback: Callable[[int], Any] | None = None) -> None:
    """Give every tensor that stands for one on the GPU its values, from memory or from the pack on disk."""
    import torch
    from spaces.zero.torch.patching import cuda_aliases, tensor_packs

    for fake, original in cuda_aliases.items():
        if original is not None:
            fake.data = original
    for pack in tensor_packs:
        with open(pack.path(), "rb") as file:
            for tensor, size, aligned_size in [item for batch in pack.batches for item in batch] + pack.big_tensors:
                content = bytearray(file.read(aligned_size)[:size])
                values = torch.empty(size, dtype=torch.uint8)  # aligned as torch likes it
                if size:
                    values.copy_(torch.frombuffer(content, dtype=torch.uint8))
                restored = torch.empty(0, dtype=tensor.dtype)
                restored.set_(values.untyped_storage(), 0, tensor.shape, tensor.stride())
                for fake in pack.fakes[tensor]:
                    fake.data = restored
        if callback is not None:
            callback(pack.total_size)


def observed(iter_probe: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """``iter_probe`` that writes down which process ran it and which hooks it found, and fails on request."""

    def steps(pipe: Any, *arguments: Any) -> Iterator[Any]:
        modules = list(pipe.transformer.modules())
        found = sum(len(module._forward_pre_hooks) + len(module._forward_hooks) for module in modules)
        n_forwards = 0

        def after_a_forward(*_: Any) -> None:
            nonlocal n_forwards
            n_forwards += 1
            _fail(Path(_FAULT).read_text() if Path(_FAULT).exists() else "", n_forwards)

        # On the last block: the model's own forward, and the capture of it, are then cut short.
        handle = pipe.transformer.single_transformer_blocks[-1].register_forward_hook(after_a_forward)
        try:
            yield from iter_probe(pipe, *arguments)
        finally:
            handle.remove()
            with Path(_CALLS).open("a") as file:
                file.write(json.dumps({"pid": os.getpid(), "hooks": found, "forwards": n_forwards}) + "\n")

    return steps


def _fail(fault: str, n_forwards: int) -> None:
    import torch

    if fault == "held":
        until = time.monotonic() + _HELD_SECONDS
        while n_forwards > HELD_AFTER and Path(_FAULT).exists() and time.monotonic() < until:
            time.sleep(0.05)
    elif fault and n_forwards == 2:
        if fault == "memory":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        if fault == "abort":  # as a call that overstays is ended
            os.kill(os.getpid(), signal.SIGKILL)
        raise KeyError("a fault of the code")


def answer_calls(functions: dict[str, Callable[..., Any]]) -> None:
    """Serve ``Space.call``, every call in a thread of its own, as gradio runs handlers."""
    listener = Listener(_CONTROL)

    def accept() -> None:
        while True:
            threading.Thread(target=answer, args=(listener.accept(),), daemon=True).start()

    def answer(connection: Connection) -> None:
        name, arguments, take = connection.recv()
        try:
            given = functions[name](*arguments)
            steps = given if isinstance(given, Iterator) else iter([given])
            for n, step in enumerate(steps, 1):
                connection.send(("step", step))
                if n == take:
                    steps.close()
                    break
        except Exception as error:
            connection.send(("error", f"{type(error).__name__}: {getattr(error, 'message', error)}"))
        else:
            connection.send(("end", None))

    threading.Thread(target=accept, daemon=True).start()


def main() -> int:
    put_cpu_in_place_of_gpu()
    import app
    from plantain.model.identity import weights_fingerprint
    from plantain.probe import probe

    probe.iter_probe = observed(probe.iter_probe)
    functions = {name: getattr(app, name) for name in ("probe", "draw", "shift", "tokens", "patched", "patched_on_gpu")}
    functions["fingerprint"] = lambda: weights_fingerprint(app.pipeline())
    answer_calls(functions)
    return app.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
