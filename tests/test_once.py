"""A value that many ask for at once is made once, and nobody gets another's."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from plantain.ui.once import once


def test_what_many_ask_for_at_once_is_made_once():
    made, together = [], threading.Barrier(12)

    @once(maxsize=4)
    def slow(key):
        made.append(key)
        time.sleep(0.1)
        return f"value of {key}"

    def ask(key):
        together.wait()
        return slow(key)

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, ["a", "b", "c"] * 4))
    assert sorted(made) == ["a", "b", "c"]
    assert found == [f"value of {key}" for key in "abc"] * 4


def test_others_do_not_wait_for_a_value_that_is_not_theirs():
    begun, go_on = threading.Event(), threading.Event()

    @once(maxsize=4)
    def make(key):
        if key == "slow":
            begun.set()
            assert go_on.wait(10)
        return key

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(make, "slow")
        assert begun.wait(10)
        assert make("quick") == "quick"
        go_on.set()
        assert slow.result(10) == "slow"


def test_what_fails_is_tried_again_by_the_next():
    tries = []

    @once(maxsize=4)
    def make():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return "made"

    with pytest.raises(ValueError, match="not yet"):
        make()
    assert make() == make() == "made"
    assert len(tries) == 2


def test_what_is_asked_for_least_lately_goes():
    made = []

    @once(maxsize=2)
    def make(key):
        made.append(key)
        return key

    for key in "abcabc":
        make(key)
    assert made == [*"abcabc"]
