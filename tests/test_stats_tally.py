"""Counts and maxima over tiles: NumPy's plain ones, whatever the sizes, the tiles and the threads."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from plantain import stats
from plantain.stats import tally as module
from plantain.stats.tally import tally, tally_sums

CUTS = (0.3, 1.0, 2.5)


def plain(sums):
    return np.stack([(np.abs(sums) > cut).sum(axis=1) for cut in CUTS], axis=1), np.abs(sums).max(axis=1)


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def in_threads(request, monkeypatch):
    monkeypatch.setattr(module, "threads", lambda: request.param)


@pytest.mark.parametrize("tile_bytes", [64, 2**12, 2**21])
@pytest.mark.parametrize(("n_rows", "n_heads"), [(1, 1), (7, 8), (130, 2039), (33, 2041), (5, 5000)])
def test_counts_and_maxima_are_numpys(in_threads, monkeypatch, tile_bytes, n_rows, n_heads):
    monkeypatch.setattr(module, "_TILE_BYTES", tile_bytes)
    rng = np.random.default_rng(n_heads)
    rows, u = rng.choice([-1.0, 1.0], size=(n_rows, 6)), rng.normal(size=(6, n_heads)) / 4
    u[:, n_heads // 2 :] *= 0.1  # tiles without anything above the higher cuts
    counts, highest = tally(rows, u, np.array(CUTS))
    expected = plain(rows @ u)
    np.testing.assert_array_equal(counts, expected[0])
    np.testing.assert_allclose(highest, expected[1], rtol=1e-12)
    counts, highest = tally(rows, u - 0.4, np.array(CUTS), upper=True)  # where the largest may lie below 0
    sums = rows @ (u - 0.4)
    np.testing.assert_array_equal(counts, np.stack([(sums > cut).sum(axis=1) for cut in CUTS], axis=1))
    np.testing.assert_allclose(highest, sums.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("tile_bytes", [64, 2**12, 2**21])
@pytest.mark.parametrize(("n_first", "n_second", "n_heads"), [(1, 1, 1), (3, 7, 10), (16, 5, 3000)])
def test_sums_of_two_are_in_the_order_of_the_first(in_threads, monkeypatch, tile_bytes, n_first, n_second, n_heads):
    monkeypatch.setattr(module, "_TILE_BYTES", tile_bytes)
    rng = np.random.default_rng(n_heads)
    first, second = rng.normal(size=(n_first, n_heads)), rng.normal(size=(n_second, n_heads))
    counts, highest = tally_sums(first, second, np.array(CUTS))
    expected = plain((first[:, None] + second).reshape(-1, n_heads))
    np.testing.assert_array_equal(counts, expected[0])
    np.testing.assert_array_equal(highest, expected[1])


def test_more_than_255_words_above_a_cut_are_counted():
    u = np.full((1, 100_000), 2.0)
    assert tally(np.ones((2, 1)), u, np.array([1.0]))[0].tolist() == [[100_000], [100_000]]


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_has_its_threads_back_also_when_calls_overlap():
    before, started, go = blas_threads(), threading.Barrier(3), threading.Event()

    def call():
        with module._ONE_THREAD_A_PRODUCT:
            started.wait()
            go.wait()

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    started.wait()
    assert set(blas_threads()) == {1}
    go.set()
    for caller in callers:
        caller.join()
    assert blas_threads() == before
    with pytest.raises(ValueError, match="matmul"):
        tally(np.ones((2, 3)), np.ones((4, 5)), np.array([1.0]))
    assert blas_threads() == before


def test_the_share_done_is_told_and_ends_at_one():
    d = np.random.default_rng(0).normal(size=(14, 40))
    for n_flips in (2**14, 9000):
        told = []
        stats.sign_flip_null(d, n_flips, report=told.append)
        assert told == sorted(told)
        assert told[-1] == 1


@pytest.mark.parametrize("most", [1, 40 * 8, 40 * 8 * 16, 2**25])
def test_all_flips_are_the_same_however_few_sums_are_held(monkeypatch, most):
    from plantain.stats import flips

    d = np.random.default_rng(1).normal(size=(9, 40))
    d[:, 0] = [1, -1, 1, 1, -1, -1, 1, 1, -1]  # infinite under its own signs
    whole = stats.sign_flip_null(d, 2**9)
    monkeypatch.setattr(flips, "_SUMS_BYTES", max(most, 40 * 8))
    few = stats.sign_flip_null(d, 2**9)
    np.testing.assert_array_equal(few.counts, whole.counts)
    np.testing.assert_allclose(few.max_abs_t, whole.max_abs_t, rtol=1e-12)
    assert np.isinf(whole.max_abs_t).sum() == 2  # the pattern and its reverse
