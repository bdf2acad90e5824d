"""Work that several processes share: what each does and saves as a part, and the parts put together.

A probe and a patching study are dealt pair by pair, a dense run block by block: its heads are read one by one, and that
takes longer than the forwards, which every process makes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from plantain.data.dense import BLOCKS_DONE, DenseResult, load_dense
from plantain.data.disk import write_atomically
from plantain.data.patching import PatchStudy, load_study
from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult, load_result
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.probe.cause import part_of
from plantain.probe.grafted import with_block
from plantain.probe.probe import Progress, make_plan
from plantain.probe.ranks import Ranks, nothing_in, part_folder, parts_folder
from plantain.probe.saving import iter_saved

_Part = TypeVar("_Part", ProbeResult, DenseResult, PatchStudy)
_RESOLVED = ("height", "width", "batch_size", "n_text_tokens", "realised_sigmas")
_ALIKE = ("weights_fingerprint", "dtype", "coarser", *_RESOLVED)
_BATCH = "batch_size"  # a file beside the parts


def choose_batch(pipe: Any, prompts: PromptSet, config: ProbeConfig, folder: str | Path, ranks: Ranks) -> int:
    """How many prompts a forward of every process takes: the first says it, and the others wait for it.

    >>> choose_batch(pipe, prompts, config, "runs/mine", Ranks.here())
    12

    Each would find what its own memory holds, and shares of unlike batches would overlap. What it is stays so while
    there are parts made by it: InputError where ``config`` asks for another.
    """
    file, wanted = parts_folder(folder) / _BATCH, config.batch_size
    if ranks.first and not (file.exists() and (wanted is None or _any_part(folder, ranks))):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, f"{max(2, make_plan(pipe, prompts, config, None).batch_size // 2 * 2)}\n".encode())
    ranks.wait()
    try:
        chosen = int(file.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{file} is on another machine; processes that share a command share a folder.") from error
    if wanted is not None and max(2, wanted // 2 * 2) != chosen:
        raise InputError(
            f"Cannot resume: the parts in {file.parent} are made with batch_size {chosen}, this one {wanted}. Start a "
            "new run elsewhere."
        )
    return chosen


def _any_part(folder: str | Path, ranks: Ranks) -> bool:
    return any(not nothing_in(part_folder(folder, rank)) for rank in ranks.all())


def iter_shared(
    pipe: Any, prompts: PromptSet, config: ProbeConfig, folder: str | Path, ranks: Ranks
) -> Generator[Progress, None, None]:
    """``iter_saved`` of this process's pairs, into a folder of its own beside ``folder``; it goes on where it stopped.

    >>> choose_batch(pipe, prompts, config, "runs/mine", Ranks.here())
    >>> for progress in iter_shared(pipe, prompts, config, "runs/mine", Ranks.here()): ...
    >>> Ranks.here().wait()
    >>> joined(prompts, config, "runs/mine", Ranks.here())

    Raises InputError as ``iter_saved``, or parts that were saved by another number of processes.
    """
    part = part_folder(folder, ranks)
    batch_size = int((parts_folder(folder) / _BATCH).read_text())
    config, share = replace(config, batch_size=batch_size), ranks.share(len(prompts), batch_size // 2)
    if share.start == share.stop:
        return  # more processes than batches
    resume = None if nothing_in(part) else load_result(part)
    # Rules and designs hold for the set, not for every part of it.
    some = replace(prompts, pairs=prompts.pairs[share], rules=(), design="")
    yield from iter_saved(pipe, some, config, resume, part)


def joined(prompts: PromptSet, config: ProbeConfig, folder: str | Path, ranks: Ranks) -> ProbeResult:
    """The parts of a probe as one run, saved in ``folder``; the parts go.

    >>> joined(prompts, config, "runs/mine", Ranks.here()).complete

    Raises InputError: a part that is not there, not whole, of other weights or settings.
    """
    found = _parts(folder, ranks, load_result)
    _check_whole(found, prompts, folder)
    first, seconds = found[0], max(part.provenance["seconds"] for part in found)
    _check_alike([part.provenance for part in found])
    provenance = first.provenance | {"processes": ranks.size, "seconds": seconds}
    mean_square = np.concatenate([part.mean_square for part in found])
    counts = np.concatenate([part.token_counts for part in found])
    return _saved(ProbeResult(mean_square, counts, prompts, config, first.head_map, provenance), folder)


def joined_dense(folder: str | Path, ranks: Ranks, n_blocks: int, config: ProbeConfig | None = None) -> DenseResult:
    """The parts of a dense run, or of a grafted one, as one, saved in ``folder``: from each the blocks that it read.

    >>> joined_dense("runs/dense/mine", Ranks.here(), n_blocks=25)

    ``config``: as it was asked for, where the parts have a batch size that the processes chose.

    Raises InputError as ``joined``.
    """
    found = [(rank, part_folder(folder, rank)) for rank in ranks.all()]
    parts = [(rank, load_dense(path)) for rank, path in found if not nothing_in(path)]
    if not parts:
        raise InputError(f"Nothing is saved in {parts_folder(folder)} yet; start the command again.")
    whole, read = parts[0][1], 0
    _check_alike([part.run.provenance for _, part in parts])
    for rank, part in parts:
        if not np.array_equal(part.maps, whole.maps):
            raise InputError(
                "The processes of this run found the bodies or pictures elsewhere; make them on one machine."
            )
        blocks = range(n_blocks)[rank.share(n_blocks)]
        done = part.about[BLOCKS_DONE] == len(blocks) if BLOCKS_DONE in part.about else part.finished
        if part.run.complete and done:
            read += len(blocks)
            for block in blocks:
                whole = with_block(whole, part, block)
    if read < n_blocks:
        raise InputError(
            f"{read} of {n_blocks} blocks are read and saved in {parts_folder(folder)}; start the same command with "
            "--resume."
        )
    about = whole.about | ({BLOCKS_DONE: n_blocks} if BLOCKS_DONE in whole.about else {})
    provenance = whole.run.provenance | {"processes": ranks.size}
    run = replace(whole.run, config=config or whole.run.config, provenance=provenance)
    return _saved(replace(whole, run=run, about=about), folder)


def shared_study(plan: Callable[[], PatchStudy], folder: str | Path, ranks: Ranks) -> tuple[PatchStudy | None, slice]:
    """This process's part of a patching study as it is so far, and its pairs among all; None where it has none.

    >>> study, pairs = shared_study(lambda: start_patching(pipe, dense), "runs/patch/mine", Ranks.here())

    The first process plans the study for all of them: two machines may rank heads of almost equal scores differently.
    """
    planned, part = parts_folder(folder) / "plan", part_folder(folder, ranks)
    if ranks.first and nothing_in(planned):
        plan().save(planned)
    ranks.wait()
    whole = load_study(planned)
    share = ranks.share(len(whole.prompts))
    if share.start == share.stop:
        return None, share  # more processes than pairs
    return (part_of(whole, share) if nothing_in(part) else load_study(part)), share


def joined_study(prompts: PromptSet, folder: str | Path, ranks: Ranks) -> PatchStudy:
    """The parts of a patching study as one, saved in ``folder``; the parts go.

    >>> joined_study(dense.prompts, "runs/patch/mine", Ranks.here())

    Raises InputError as ``joined``.
    """
    found = _parts(folder, ranks, load_study)
    _check_whole(found, prompts, folder)
    first, seconds = found[0], max(part.about["seconds"] for part in found)
    study = replace(
        load_study(parts_folder(folder) / "plan"),
        values=np.concatenate([part.values for part in found]),
        velocities=np.concatenate([part.velocities for part in found]),
        provenance=first.provenance | {"processes": ranks.size},
        about=first.about | {"seconds": seconds},
    )
    return _saved(study, folder)


def _parts(folder: str | Path, ranks: Ranks, load: Callable[[Path], _Part]) -> list[_Part]:
    """What every process saved; nothing of one that had nothing to do."""
    return [load(path) for rank in ranks.all() if not nothing_in(path := part_folder(folder, rank))]


def _check_whole(found: Sequence[ProbeResult | PatchStudy], prompts: PromptSet, folder: str | Path) -> None:
    pairs = [pair for part in found for pair in part.prompts.pairs]
    if tuple(pairs) != prompts.pairs or not all(part.complete for part in found):
        done = sum(part.n_pairs for part in found)
        raise InputError(
            f"{done} of {len(prompts)} pairs are saved in {parts_folder(folder)}; start the same command with --resume."
        )


def _check_alike(provenances: Sequence[dict[str, Any]]) -> None:
    first = provenances[0]
    for other in provenances[1:]:
        told = "tokenizer_digest" in first and "tokenizer_digest" in other  # older parts don't tell
        for key in (*_ALIKE, "tokenizer_digest") if told else _ALIKE:
            if other.get(key) != first.get(key):
                raise InputError(
                    f"The processes of this run differ in {key}: {first.get(key)} and {other.get(key)}. Give all of "
                    "them the same model and settings."
                )


def _saved(result: _Part, folder: str | Path) -> _Part:
    try:
        result.save(folder)
    except OSError as error:
        raise InputError(
            f"The parts cannot be put together in {folder}: {error.strerror or error}. They are safe in "
            f"{parts_folder(folder)}; make room, and start the same command with --resume."
        ) from error
    shutil.rmtree(parts_folder(folder), ignore_errors=True)
    return result
