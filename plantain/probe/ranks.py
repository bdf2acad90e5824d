"""A run shared among processes: each probes whole batches of pairs and saves them, the first puts them together.

Whatever starts several processes of one command and tells each its place (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``)
will do: ``accelerate launch``, ``torchrun``, a scheduler. What they share is a folder; processes on several machines
need one that all of them see.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plantain.data.disk import is_free
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.probe.probe import Progress, make_plan
from plantain.probe.saving import iter_saved


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

    def take_device(self) -> None:
        """Compute on the GPU of this process, where there are several."""
        if self.size > 1 and torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())

    def share(self, n_pairs: int, pairs_a_batch: int) -> slice:
        """Pairs of this process: whole batches in order, as evenly as they can be dealt.

        >>> [Ranks(rank, 2).share(25, 4) for rank in (0, 1)]
        [slice(0, 16, None), slice(16, 25, None)]
        """
        n_batches = -(-n_pairs // pairs_a_batch)
        start, stop = (-(-n_batches * r // self.size) for r in (self.rank, self.rank + 1))
        return slice(min(start * pairs_a_batch, n_pairs), min(stop * pairs_a_batch, n_pairs))

    def wait(self) -> None:
        """Until every process is here; InputError where one of them ended before."""
        if self.size == 1:
            return
        from accelerate import PartialState

        try:
            PartialState(cpu=not torch.cuda.is_available()).wait_for_everyone()
        except RuntimeError as error:
            raise InputError(
                "A process of this run ended before it was done; what each had done is saved. Start the same command "
                "again with --resume."
            ) from error


def iter_shared(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, folder: str | Path, ranks: Ranks
) -> Generator[Progress, None, None]:
    """``iter_saved`` of this process's pairs, into a folder of its own beside ``folder``; it goes on where it stopped.

    >>> for progress in iter_shared(pipe, prompts, config, "runs/mine", Ranks.here()): ...
    >>> Ranks.here().wait()
    >>> joined(prompts, config, "runs/mine", Ranks.here())

    Raises InputError as ``iter_saved``, or parts that were saved by another number of processes.
    """
    share = ranks.share(len(prompts), max(1, make_plan(pipe, prompts, config, None).batch_size // 2))
    if share.start == share.stop:
        return  # more processes than batches
    part = parts_folder(folder) / _name(ranks)
    others = [path.name for path in part.parent.glob("*") if not path.name.endswith(f"-of-{ranks.size}")]
    if others:
        raise InputError(
            f"{part.parent} holds parts of another number of processes ({others[0]}); start as many, or remove it."
        )
    resume = None if nothing_in(part) else load_result(part)
    # Rules and designs hold for the set, not for every part of it.
    some = replace(prompts, pairs=prompts.pairs[share], rules=(), design="")
    yield from iter_saved(pipe, some, config, resume, part)


def joined(prompts: PromptSet, config: ProbeConfig, folder: str | Path, ranks: Ranks) -> ProbeResult:
    """The parts of all processes as one run, saved in ``folder``; the parts go.

    >>> joined(prompts, config, "runs/mine", Ranks.here()).complete

    Raises InputError: a part that is not there, not whole, of other weights or settings.
    """
    names = [_name(Ranks(rank, ranks.size)) for rank in range(ranks.size)]
    found = [load_result(path) for name in names if not nothing_in(path := parts_folder(folder) / name)]
    pairs = [pair for part in found for pair in part.prompts.pairs]
    if tuple(pairs) != prompts.pairs or not all(part.complete for part in found):
        done = sum(part.n_pairs for part in found)
        raise InputError(
            f"{done} of {len(prompts)} pairs are saved in {parts_folder(folder)}; start the same command with --resume."
        )
    first = found[0]
    for part in found[1:]:
        for key in ("weights_fingerprint", "height", "width", "batch_size", "n_text_tokens", "dtype"):
            if part.provenance.get(key) != first.provenance.get(key):
                raise InputError(
                    f"The processes of this run differ in {key}: {first.provenance.get(key)} and "
                    f"{part.provenance.get(key)}. Give all of them the same model and settings."
                )
    provenance = first.provenance | {
        "processes": ranks.size,
        "seconds": max(part.provenance["seconds"] for part in found),
    }
    mean_square = np.concatenate([part.mean_square for part in found])
    counts = np.concatenate([part.token_counts for part in found])
    result = ProbeResult(mean_square, counts, prompts, config, first.head_map, provenance)
    result.save(folder)
    shutil.rmtree(parts_folder(folder), ignore_errors=True)
    return result


def nothing_in(folder: Path) -> bool:
    """Whether a folder is not there, or free.

    >>> nothing_in(parts_folder("runs/mine"))
    """
    return not folder.exists() or (folder.is_dir() and is_free(folder))


def parts_folder(folder: str | Path) -> Path:
    """Where the parts of a run lie while it goes on."""
    folder = Path(folder)
    return folder.with_name(f"{folder.name}.parts")


def _name(ranks: Ranks) -> str:
    return f"{ranks.rank}-of-{ranks.size}"
