"""How fast the sign-flip null is: beside its own bare product, MNE, plain NumPy and SciPy; and all flips there are.

    python benchmarks/speed/null.py

25 pairs × 16,320 heads, 1,000 flips; counts at |t| > 3 and > 5, and max |t|. MNE and nilearn give t, max |t| and
adjusted p, and no counts. The loop of ``ttest_1samp`` makes 20 flips, and its time is scaled up. Needs the extra
``bench``.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
from measured import Row, beside, in_turns, limited, main
from scipy.stats import ttest_1samp

from plantain import stats

N_PAIRS, N_HEADS, N_FLIPS = 25, 16_320, 1000
THRESHOLDS = (3.0, 5.0)
LOOP_FLIPS = 20
EXACT_PAIRS, EXACT_HEADS, EXACT_LIMIT = 24, 600, 25.0
TOLERANCE = 1e-10
# After a product of two threads OpenBLAS's second one spins for a tenth of a second, on one of two cores.
_REST = 0.25


def rows() -> Iterator[Row]:
    import mne
    import nilearn
    from nilearn.mass_univariate import permuted_ols

    d = make_differences()
    signs, u = random_signs(N_FLIPS).astype(np.float32), d.astype(np.float32)
    product = np.empty((N_FLIPS, N_HEADS), dtype=np.float32)

    def with_mne() -> np.ndarray:
        # Unseeded: the name of that argument differs between versions, and T_obs does not depend on it.
        t_obs, _, _ = mne.stats.permutation_t_test(d, n_permutations=N_FLIPS, tail=0, verbose="error")
        return np.asarray(t_obs)

    def with_nilearn() -> np.ndarray:
        # With nothing but the mean in the model it flips signs; max |t| and adjusted p, no counts.
        ones = np.ones((N_PAIRS, 1))
        found = permuted_ols(ones, d, model_intercept=False, n_perm=N_FLIPS, random_state=0, output_type="dict")
        return np.asarray(found["t"][0])

    if (apart := float(np.max(np.abs(stats.paired_t(d) - with_nilearn())))) > 1e-6:
        raise SystemExit(f"t and nilearn's differ by up to {apart:.1e}.")
    apart = float(np.max(np.abs(stats.paired_t(d) - with_mne())))
    if apart > TOLERANCE:
        raise SystemExit(f"t and MNE's T_obs differ by up to {apart:.1e}; allowed are {TOLERANCE:.0e}.")
    counts, highest = vectorised_null(d)
    null = stats.sign_flip_null(d, N_FLIPS, THRESHOLDS)
    if np.abs(null.counts - counts).max() > 1 or np.abs(null.max_abs_t - highest).max() > 1e-3:
        raise SystemExit("The null and the plain one of the same flips differ.")

    what = "sign-flip null, 1,000 flips"
    ours: Callable[[], object] = lambda: stats.sign_flip_null(d, N_FLIPS, THRESHOLDS)  # noqa: E731
    found = in_turns({"ours": ours, "product": lambda: np.matmul(signs, u, out=product)}, 21, _REST)
    yield beside(what, "its bare float32 product", found["ours"], found["product"], 2)
    memory = f"{peak_megabytes(ours):.0f} MB"
    for name, call, scale, wanted in (
        (f"MNE {mne.__version__} `permutation_t_test`", with_mne, 1, 0.1),
        (f"nilearn {nilearn.__version__} `permuted_ols`", with_nilearn, 1, None),
        ("NumPy, float64, written plainly", lambda: vectorised_null(d), 1, None),
        ("a loop of SciPy's `ttest_1samp`", lambda: loop_null(d), N_FLIPS // LOOP_FLIPS, None),
    ):
        found = in_turns({"ours": ours, "theirs": call}, 5)
        theirs = f", {peak_megabytes(call):.0f} MB" if scale == 1 else ""
        yield beside(f"{what}, {memory}", name + theirs, found["ours"], found["theirs"] * scale, wanted)
    exact = d[:EXACT_PAIRS, :EXACT_HEADS]
    found = in_turns({"ours": lambda: stats.sign_flip_null(exact, 2**EXACT_PAIRS, THRESHOLDS)}, 1)
    yield limited(f"all 2^{EXACT_PAIRS} flips of {EXACT_HEADS} heads", found["ours"], EXACT_LIMIT)


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


def peak_megabytes(call: Callable[[], object]) -> float:
    """Peak of traced memory above what was held before; run apart from timing, which tracing slows."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        return (tracemalloc.get_traced_memory()[1] - before) / 1e6
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
