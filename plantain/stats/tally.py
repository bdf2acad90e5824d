"""Counts and maxima of sums, or |sums|, over heads, for very many rows of signs, without ever holding the sums.

A tile of rows and heads at a time: its sums, as they are or absolute, the largest of each row, and how many lie above
each cut. Tiles of other rows are worked on by other cores.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantain.stats.paired import Array

Ints = NDArray[np.int64]

# Near enough to the core, and so large that what Python does between two tiles is nothing.
_TILE_BYTES = 2**21
# Eight booleans are added as one 64-bit word; each of its bytes holds at most 255 of them.
_WORD, _MOST_WORDS = 8, 255


def tally(rows: NDArray[Any], u: NDArray[Any], cuts: NDArray[Any], upper: bool = False) -> tuple[Ints, Array]:
    """Columns of ``|rows @ u|`` above each cut, and the largest of them, without holding the product.

    >>> counts, highest = tally(signs, u, cuts)                   # (F, P), (P, H), (K,) -> (F, K), (F,)

    ``rows`` and ``u`` share a dtype, that of the product. ``upper``: of the product as it is, its sign kept.
    """

    def fill(some: slice, heads: slice, out: NDArray[Any]) -> None:
        np.matmul(rows[some], u[:, heads], out=out)

    with _ONE_THREAD_A_PRODUCT:
        return _over_tiles(len(rows), u, cuts, fill, upper)


def tally_sums(first: NDArray[Any], second: NDArray[Any], cuts: NDArray[Any]) -> tuple[Ints, Array]:
    """The same of every row of ``first`` plus every row of ``second``: row i · len(second) + j is of i and j.

    >>> counts, highest = tally_sums(low, high, cuts)             # (A, H), (B, H), (K,) -> (A · B, K), (A · B,)

    So are all 2**n sums of n signed rows made of 2 · 2**(n / 2), by one addition each.
    """
    n = len(second)

    def fill(some: slice, heads: slice, out: NDArray[Any]) -> None:
        row = some.start
        while row < some.stop:  # rows that share one of first's
            i, j = divmod(row, n)
            m = min(n - j, some.stop - row)
            at = row - some.start
            np.add(second[j : j + m, heads], first[i, heads], out=out[at : at + m])
            row += m

    return _over_tiles(len(first) * n, first, cuts, fill)


class _OneThread:
    """While it is entered BLAS keeps to the calling thread: tiles are small, and there is one for every core.

    Left to itself it wakes all cores for each tile, and they spin beside the work that follows the product. What was
    set before comes back when the last of several callers leaves.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._limits = Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limits = _blas().limit(limits=1, user_api="blas")

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._limits is not None:
                self._limits.restore_original_limits()


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # here, since reading a run flips nothing

    return ThreadpoolController()


_ONE_THREAD_A_PRODUCT = _OneThread()


def _over_tiles(
    n_rows: int,
    like: NDArray[Any],
    cuts: NDArray[Any],
    fill: Callable[[slice, slice, NDArray[Any]], None],
    upper: bool = False,
) -> tuple[Ints, Array]:
    n_heads, dtype = like.shape[1], like.dtype
    counts = np.zeros((n_rows, len(cuts)), dtype=np.int64)
    highest = np.full(n_rows, -np.inf)
    width = min(n_heads, _WORD * _MOST_WORDS)
    height = max(1, _TILE_BYTES // (width * dtype.itemsize))

    def work(part: range) -> None:
        tile = np.empty((height, width), dtype=dtype)
        above = np.zeros((height, -(-width // _WORD) * _WORD), dtype=bool)
        for row in part:
            rows = slice(row, min(row + height, n_rows))
            for head in range(0, n_heads, width):
                heads = slice(head, min(head + width, n_heads))
                sums = tile[: rows.stop - rows.start, : heads.stop - heads.start]
                fill(rows, heads, sums)
                if not upper:
                    np.abs(sums, out=sums)
                _count(sums, above, cuts, counts[rows], highest[rows])

    starts = range(0, n_rows, height)
    n_threads = min(threads(), len(starts))
    if n_threads < 2:
        work(starts)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            # Tiles of other rows to each, so that none waits for another.
            list(pool.map(work, [starts[i::n_threads] for i in range(n_threads)]))
    return counts, highest


def _count(sums: NDArray[Any], above: NDArray[np.bool_], cuts: NDArray[Any], counts: Ints, highest: Array) -> None:
    """Add a tile to its rows of ``counts`` and ``highest``; ``above`` is scratch."""
    tops = sums.max(axis=1)
    np.maximum(highest, tops, out=highest)
    n_heads = sums.shape[1]
    for k, cut in enumerate(cuts):
        reached = np.flatnonzero(tops > cut)  # most rows have no head above the higher cuts
        if not len(reached):
            continue
        whole = 2 * len(reached) > len(sums)
        some = sums if whole else sums[reached]
        marks = above[: len(some)]
        marks[:, n_heads:] = False
        np.greater(some, cut, out=marks[:, :n_heads])
        # A sum of words adds eight columns of booleans at once: vectorised, which counting along an axis is not.
        found = (
            np.add.reduce(marks.view(np.uint64), axis=1).view(np.uint8).reshape(-1, _WORD).sum(axis=1, dtype=np.int64)
        )
        if whole:
            counts[:, k] += found
        else:
            counts[reached, k] += found


@cache
def threads() -> int:
    """Cores that this process may use, or fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) else cores
