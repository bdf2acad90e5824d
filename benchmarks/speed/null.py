"""How fast the sign-flip null is, and how much memory it takes, beside MNE, plain NumPy and SciPy.

Run ``python benchmarks/speed/null.py``; everything is measured in one process, one after the other.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import scipy
from scipy.stats import ttest_1samp

from plantain import stats

N_PAIRS, N_HEADS, N_FLIPS = 25, 16_320, 1000
THRESHOLDS = (3.0, 5.0)
LOOP_FLIPS = 20  # the SciPy loop is timed on these and scaled up
TOLERANCE = 1e-10


def main() -> int:
    try:
        import mne
    except ImportError:
        print('This benchmark compares with MNE, which is not installed: pip install -e ".[bench]"', file=sys.stderr)
        return 2

    d = make_differences()

    def with_mne() -> np.ndarray:
        # Unseeded: the name of that argument differs between versions, and T_obs does not depend on it.
        t_obs, _, _ = mne.stats.permutation_t_test(d, n_permutations=N_FLIPS, tail=0, verbose="error")
        return np.asarray(t_obs)

    print(environment(mne.__version__))
    print(f"{N_PAIRS} pairs x {N_HEADS:,} heads, {N_FLIPS:,} flips; counts at |t| > 3 and > 5, and max |t|.")
    print("MNE gives t, max |t| and adjusted p, and no counts. Peak memory is traced in a run of its own.")
    print("Times: median of 5 runs (ours) or 3 (peers) after one warm-up.")
    print(f"The loop of ttest_1samp makes {LOOP_FLIPS} flips; its time, not its memory, is scaled up to {N_FLIPS:,}.\n")
    rows: list[tuple[str, Callable[[], object], int, float]] = [
        ("plantain.stats.sign_flip_null", lambda: stats.sign_flip_null(d, N_FLIPS, THRESHOLDS), 5, 1),
        ("mne.stats.permutation_t_test", with_mne, 3, 1),
        ("vectorised NumPy, float64", lambda: vectorised_null(d), 3, 1),
        ("loop of ttest_1samp, scaled up", lambda: loop_null(d), 3, N_FLIPS / LOOP_FLIPS),
    ]
    report(rows)

    difference = float(np.max(np.abs(stats.paired_t(d) - with_mne())))
    print(f"\nt against MNE's T_obs: largest absolute difference {difference:.1e}; allowed {TOLERANCE:.0e}.")
    in_counts, in_max = null_differences(d)
    print(f"Against the vectorised null, same flips: counts differ by at most {in_counts}, max |t| by {in_max:.1e}.")
    return 0 if difference <= TOLERANCE else 1


def make_differences() -> np.ndarray:
    """Correlated heads, a third of them with an effect: (N_PAIRS, N_HEADS)."""
    rng = np.random.default_rng(0)
    d = rng.normal(size=(N_PAIRS, 8)) @ rng.normal(size=(8, N_HEADS)) / 4 + rng.normal(size=(N_PAIRS, N_HEADS))
    d[:, : N_HEADS // 3] += 1
    return d


def random_signs(n_flips: int, seed: int = 0) -> np.ndarray:
    """The signs that ``sign_flip_null`` draws from this seed: (n_flips, N_PAIRS)."""
    return 1.0 - 2 * np.random.default_rng(seed).integers(0, 2, size=(n_flips, N_PAIRS), dtype=np.int8)


def vectorised_null(d: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What one would write first: all flips in one float64 product, then t, then the counts."""
    n = len(d)
    mean = random_signs(N_FLIPS, seed) @ d / n  # (N_FLIPS, N_HEADS)
    variance = ((d * d).sum(axis=0) - n * mean**2) / (n - 1)
    abs_t = np.abs(mean) / np.sqrt(variance / n)
    return np.stack([(abs_t > c).sum(axis=1) for c in THRESHOLDS], axis=1), abs_t.max(axis=1)


def loop_null(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One t test a flip, ``LOOP_FLIPS`` of them."""
    abs_t = [np.abs(ttest_1samp(d * signs[:, None], 0).statistic) for signs in random_signs(LOOP_FLIPS)]
    counts = [[np.count_nonzero(t > c) for c in THRESHOLDS] for t in abs_t]
    return np.array(counts), np.array([t.max() for t in abs_t])


def null_differences(d: np.ndarray) -> tuple[int, float]:
    """Largest absolute differences of the counts and of max |t|; our products are float32."""
    null = stats.sign_flip_null(d, N_FLIPS, THRESHOLDS)
    counts, max_abs_t = vectorised_null(d)
    return int(np.abs(null.counts - counts).max()), float(np.abs(null.max_abs_t - max_abs_t).max())


def report(rows: list[tuple[str, Callable[[], object], int, float]]) -> None:
    print(f"{'':38}{'time':>12}{'ratio':>9}{'peak memory':>14}{'ratio':>9}")
    first: tuple[float, float] | None = None
    for name, call, repeats, scale in rows:
        seconds, memory = median_seconds(call, repeats) * scale, peak_bytes(call)
        first = first or (seconds, memory)
        ratios = f"{seconds / first[0]:.1f}x", f"{memory / first[1]:.1f}x"
        print(f"{name:38}{seconds * 1000:>9,.0f} ms{ratios[0]:>9}{memory / 1e6:>11,.1f} MB{ratios[1]:>9}")


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_bytes(call: Callable[[], object]) -> float:
    """Peak of traced memory above what was held before; run apart from timing, which tracing slows."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def environment(mne_version: str) -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    limits = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    threads = ", ".join(limits) or f"not limited ({cores})"
    return (
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, SciPy {scipy.__version__}, MNE {mne_version}; "
        f"{cores} cores; BLAS {blas}, threads {threads}"
    )


if __name__ == "__main__":
    sys.exit(main())
