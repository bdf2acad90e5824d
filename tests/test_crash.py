"""Killed at random moments, a run, controls, a dense run and a study lose nothing that was saved, and go on."""

import subprocess
import sys

import pytest

from plantain.paths import ROOT

pytestmark = pytest.mark.slow


def test_kills_at_random_moments_lose_no_saved_pair():
    command = [sys.executable, str(ROOT / "benchmarks" / "trust" / "kill.py"), "--kills", "4", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    kills = {row.split("|")[1].strip(): row.split("|")[2].strip() for row in done.stdout.splitlines()[2:]}
    assert kills == dict.fromkeys(("run", "controls", "dense", "patch"), "1")
