"""Many visitors at once: nobody is turned away, and whoever waits is told how many are before them."""

from browser import FEW_PAIRS
from crowd import N_PROBES, N_VISITORS, gather


def test_twenty_visitors_and_five_probes_are_all_served(server):
    crowd = gather(server[0], csv=FEW_PAIRS, n_seeds=2)
    assert len(crowd.seconds) == N_VISITORS  # a 503 would have raised
    assert [found["summary"]["n_pairs"] for found in crowd.done] == [5] * N_PROBES
    # One runs, the others wait in places 0, 1, 2, …; each was shown its own.
    assert sum(bool(ranks) for ranks in crowd.ranks) >= N_PROBES - 1
    assert max(rank for ranks in crowd.ranks for rank in ranks) >= N_PROBES - 2
