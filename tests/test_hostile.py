"""Hostile input: nothing but InputError, no path outside, no flood. ``benchmarks/trust/hostile.py`` takes longer."""

import pytest
from hostile import PROPERTIES
from hypothesis import HealthCheck, given, settings

N_CASES = 90  # of each: above a thousand together


@pytest.mark.parametrize("what", PROPERTIES)
def test_hostile(what):
    strategy, check = PROPERTIES[what]
    run = settings(
        max_examples=N_CASES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    run(given(strategy)(check))()
