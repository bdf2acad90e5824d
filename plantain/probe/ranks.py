"""Several processes of one command: which this one is, what it takes, where its part lies until all are done.

Whatever starts several processes of one command and tells each its place (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``)
will do: ``accelerate launch``, ``torchrun``, a scheduler. What they share is a folder; processes on several machines
need one that all of them see.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from plantain.data.disk import is_free
from plantain.errors import InputError
from plantain.wording import shorten


@dataclass(frozen=True)
class Ranks:
    """This process among those of the command.

    >>> Ranks.here()
    Ranks(rank=0, size=1)
    """

    rank: int
    size: int

    @classmethod
    def here(cls) -> Ranks:
        """As the environment says; one process alone where it says nothing."""
        rank, size = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
        return cls(rank, size)

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.size > 1

    def take_device(self) -> None:
        """Compute on the GPU of this process, where there are several."""
        import torch

        if self.several and torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())

    def share(self, n: int, step: int = 1) -> slice:
        """What this process does of ``n`` in a row: whole batches of ``step`` in order, as evenly as they can be dealt.

        >>> [Ranks(rank, 2).share(25, 4) for rank in (0, 1)]
        [slice(0, 16, None), slice(16, 25, None)]
        """
        n_batches = -(-n // step)
        start, stop = (-(-n_batches * r // self.size) for r in (self.rank, self.rank + 1))
        return slice(min(start * step, n), min(stop * step, n))

    def all(self) -> list[Ranks]:
        """Every process of the command, in order."""
        return [Ranks(rank, self.size) for rank in range(self.size)]

    def meet(self) -> None:
        """The others, before a folder or a model can be refused: of one that ends later all hear, of one that never
        came none.

        Raises InputError: they do not find one another within ten minutes.
        """
        if not self.several or _met:
            return
        from torch import distributed

        try:
            with _ended_by_signals():
                # Words between processes, no numbers: on the CPU, whatever computes.
                if not distributed.is_initialized():
                    distributed.init_process_group("gloo", rank=self.rank, world_size=self.size, timeout=_MEETING)
                # A process that is done early waits for the others as long as it takes.
                _met.append(distributed.new_group(timeout=timedelta(days=7), backend="gloo"))
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"The {self.size} processes of this command do not find one another ({shorten(str(error))}); start "
                "them with accelerate launch or torchrun."
            ) from error

    def wait(self) -> None:
        """Until every process is here; InputError where one of them ended before."""
        self.meet()
        if not self.several:
            return
        from torch import distributed

        try:
            with _ended_by_signals():
                distributed.barrier(group=_met[0])
        except RuntimeError as error:
            raise InputError(
                "Another process of this command ended before it was done; what each had done is saved. Start the same "
                "command again, with --resume where it has it."
            ) from error


_MEETING = timedelta(minutes=10)
_met: list[Any] = []  # the group of processes, once they have met


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """For this time a polite kill and Ctrl-C end the process at once, which would not hear of them before it is over:
    what it has done is saved.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [one for one in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(one) not in (None, signal.SIG_IGN)]
    before = {one: signal.signal(one, signal.SIG_DFL) for one in heard}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def parts_folder(folder: str | Path) -> Path:
    """Where the parts of a run lie while it goes on."""
    folder = Path(folder)
    return folder.with_name(f"{folder.name}.parts")


def part_folder(folder: str | Path, ranks: Ranks) -> Path:
    """Where the part of one process lies.

    >>> part_folder("runs/mine", Ranks(0, 2))
    PosixPath('runs/mine.parts/0-of-2')

    Raises InputError: parts that were saved by another number of processes lie there.
    """
    parts = parts_folder(folder)
    others = [path.name for path in parts.glob("*-of-*") if not path.name.endswith(f"-of-{ranks.size}")]
    if others:
        raise InputError(
            f"{parts} holds parts of another number of processes ({others[0]}); start as many, or remove it."
        )
    return parts / f"{ranks.rank}-of-{ranks.size}"


def check_free(folder: str | Path, ranks: Ranks, resume: bool, besides: tuple[str, ...] = ()) -> None:
    """Refuse, with an InputError and in the first process alone, to write over a run, or over parts of one unasked.

    >>> check_free("runs/mine", Ranks.here(), resume=False)

    ``besides``: names that may lie in the folder.
    """
    if not ranks.first:
        return
    folder, parts = Path(folder), parts_folder(folder)
    if resume and parts.is_dir() and not is_free(parts):
        return  # the folder was free when they were begun: what lies in it is their joining, cut short
    if folder.exists() and not (folder.is_dir() and is_free(folder, besides)):
        raise InputError(f"{folder} is not empty; give another --out.")
    if parts.exists() and not is_free(parts):
        raise InputError(f"{parts} holds an interrupted run; give another --out, or --resume.")


def nothing_in(folder: Path) -> bool:
    """Whether a folder is not there, or free.

    >>> nothing_in(parts_folder("runs/mine"))
    """
    return not folder.exists() or (folder.is_dir() and is_free(folder))
