"""SIGKILL at random moments of a run, of controls, of a dense run and of a patching study: what is left, and goes on.

    python benchmarks/trust/kill.py --kills 200

Each kind of work is begun, killed, and begun again by the same call until it is whole, then anew. After every kill each
saved run must load, hold at least the pairs of the last save that came back, and have the bits of an undisturbed run;
when it is whole, nothing but it may lie in its folder. Random weights, on one thread; processes are forked.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[2] / "tests")]

import numpy as np  # noqa: E402

LOADED = 0.02  # seconds within which nothing is done yet; kills lie between and the time of a whole run


@dataclass(frozen=True)
class Work:
    """One kind of work: begun or gone on with in a folder, and the arrays of what is saved there by its name."""

    name: str
    go: Callable[[Path], None]
    read: Callable[[Path], dict[str, tuple[int, list[np.ndarray]]]]
    saved: str  # the class of what it saves: a dense run saves a probe's first, and is safe after its own


@dataclass
class Report:
    kills: int = 0
    wholes: int = 0
    before_a_save: int = 0


def works() -> Iterator[Work]:
    import made_runs
    from pipelines import build_odd, build_planted

    from plantain.data.dense import load_dense
    from plantain.data.interventions import StudySize
    from plantain.data.patching import load_study
    from plantain.data.prompts import PromptSet
    from plantain.data.result import load_result
    from plantain.data.settings import ProbeConfig
    from plantain.probe import saving
    from plantain.probe.cause import iter_patching
    from plantain.probe.dense import iter_dense
    from plantain.probe.study import run_controls

    saving.SAVE_EVERY_SECONDS = 0.0  # after every step: as often as a save can be hit
    pipe, planted = build_odd(joint_blocks=1, single_blocks=1), build_planted()
    texts = [(f"a {i} standing", f"a {i} leaping by the sea") for i in range(16)]
    prompts, config = PromptSet.from_pairs(texts, name="sixteen"), ProbeConfig(batch_size=2, height=48, width=32)
    few = [PromptSet.from_pairs(texts[:5], name=name) for name in ("one", "two")]
    bodies = made_runs.made_bodies(16, (6, 4))
    ranked = made_runs.dense_of(planted, made_runs.prompts_of(12), place={3: 0.2})
    size = StudySize(k=(2,), n_matched=2, n_matched_back=1, n_random=1, n_within=1, alphas=(0.5,), steps=())

    def drain(steps: Iterator[Any]) -> None:
        for _ in steps:
            pass

    def run(folder: Path) -> None:
        before = load_result(folder) if (folder / "run.json").exists() else None
        drain(saving.iter_saved(pipe, prompts, config, before, folder))

    def dense(folder: Path) -> None:
        before = load_dense(folder) if (folder / "dense.json").exists() else None
        steps = iter_dense(pipe, prompts, config, bodies=bodies, decoders=False, resume=before)
        drain(saving.saved_steps(steps, before, folder, "dense run"))

    def patch(folder: Path) -> None:
        before = load_study(folder) if (folder / "patch.json").exists() else None
        steps = iter_patching(planted, ranked, size=size, truth="none", resume=before)
        drain(saving.saved_steps(steps, before, folder, "study"))

    def dense_arrays(dense: Any) -> list[np.ndarray]:
        matched = [dense.own, dense.others, dense.matrix, dense.shift, dense.shift_scale]
        return [dense.run.mean_square, *(matched if dense.complete else [])]

    def of(pattern: str, load: Callable[[Path], Any], arrays: Callable[[Any], list[np.ndarray]]) -> Any:
        def read(folder: Path) -> dict[str, tuple[int, list[np.ndarray]]]:
            found = {}
            for path in sorted(folder.rglob(pattern)):
                result = load(path.parent)
                found[str(path.parent.relative_to(folder))] = result.n_pairs, arrays(result)
            return found

        return read

    runs = of("run.json", load_result, lambda result: [result.mean_square])
    yield Work("run", run, runs, "ProbeResult")
    yield Work(
        "controls",
        lambda folder: drain(run_controls(pipe, few, config, n_untrained=1, out=folder)),
        runs,
        "ProbeResult",
    )
    yield Work("dense", dense, of("dense.json", load_dense, dense_arrays), "DenseResult")
    yield Work("patch", patch, of("patch.json", load_study, lambda study: [study.values]), "PatchStudy")


def attack(work: Work, n_kills: int, rng: random.Random) -> Report:
    """Kill one kind of work so many times; AssertionError where anything was lost."""
    report = Report()
    with tempfile.TemporaryDirectory() as made:
        undisturbed, folder = Path(made) / "undisturbed", Path(made) / "attacked"
        started = time.monotonic()
        assert _child(work, undisturbed, Path(made) / "saves", None) == 0
        seconds = time.monotonic() - started
        expected, files = work.read(undisturbed), _files(undisturbed)
        safe: dict[str, int] = {}  # pairs of saves that came back, since the work was last begun anew
        log = Path(made) / "saves"
        while report.kills < n_kills:
            log.write_text("")
            status = _child(work, folder, log, LOADED + rng.random() * seconds)
            for line in log.read_text().splitlines():
                kind, pairs, place = line.split(" ", 2)
                if kind == work.saved:
                    safe[str(Path(place).relative_to(folder))] = int(pairs)
            found = work.read(folder)
            for name, n in safe.items():
                there = found[name][0] if name in found else 0
                assert there >= n, f"{work.name}: {there} of {n} saved pairs are there in {name}"
            for name, (_, arrays) in found.items():
                for array, whole in zip(arrays, expected[name][1], strict=False):
                    np.testing.assert_array_equal(array, whole[: len(array)], err_msg=f"{work.name}, {name}")
            if status == 0:
                assert {name: n for name, (n, _) in found.items()} == {name: n for name, (n, _) in expected.items()}
                assert _files(folder) == files, f"{work.name}: {_files(folder) ^ files} left over or missing"
                shutil.rmtree(folder)
                safe = {}
                report.wholes += 1
                continue
            assert status == -signal.SIGKILL, f"{work.name} ended with {status}"
            report.kills += 1
            report.before_a_save += not found
    return report


def _files(folder: Path) -> set[str]:
    """How many files of which kind lie where: names of tensor files carry their digests, and stamps differ."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    plain = [name.rsplit("-", 1)[0] if name.endswith(".safetensors") else name for name in names]
    return {f"{name} {plain.count(name)}" for name in plain}


def _child(work: Work, folder: Path, log: Path, kill_after: float | None) -> int:
    """Do the work in a process of its own, killed after some seconds; its exit status, negative for a signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # one thread here: nothing is copied half-way
        pid = os.fork()
    if pid == 0:
        try:
            _log_saves(log)
            work.go(folder)
            os._exit(0)
        except BaseException as error:
            print(f"{work.name}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _log_saves(log: Path) -> None:
    """Note every save that came back, and how many pairs it had."""
    from plantain.data.dense import DenseResult
    from plantain.data.patching import PatchStudy
    from plantain.data.result import ProbeResult

    def logged(kind: Any) -> None:
        save = kind.save

        def noted(self: Any, folder: str | Path) -> Path:
            done: Path = save(self, folder)
            with log.open("a") as file:
                file.write(f"{kind.__name__} {self.n_pairs} {folder}\n")
            return done

        kind.save = noted

    for kind in (ProbeResult, DenseResult, PatchStudy):
        logged(kind)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of all kinds of work together (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, every = random.Random(options.seed), list(works())
    print("| work | kills | before its first save | gone on with until whole |\n|---|---|---|---|")
    for work in every:
        report = attack(work, -(-options.kills // len(every)), rng)
        print(f"| {work.name} | {report.kills} | {report.before_a_save} | {report.wholes} times |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
