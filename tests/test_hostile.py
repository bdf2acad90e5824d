"""Hostile input: nothing but InputError, no path outside, no flood. ``benchmarks/trust/hostile.py`` takes longer."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from properties import PROPERTIES, watched

N_CASES = 90  # of each: above a thousand together


@pytest.mark.parametrize("what", PROPERTIES)
def test_hostile(what):
    strategy, check = PROPERTIES[what]
    run = settings(
        max_examples=N_CASES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    run(given(strategy)(check))()


def test_a_file_that_is_written_elsewhere_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/somewhere/else")
    watched(lambda case: Path(case).read_text(encoding="utf-8"))(__file__)
    with pytest.raises(AssertionError, match=r"open .*outside"):
        watched(lambda case: case.write_text("x"))(tmp_path / "outside")
