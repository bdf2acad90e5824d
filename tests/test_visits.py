"""What a visitor finds again: a run by their browser tab's word, a typed pair by what was typed."""

import pytest

from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.ui.pair_answer import Kept, Typed
from plantain.ui.visits import KEPT_SECONDS, Visit, Visits

WORDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(20)]


@pytest.fixture(scope="module")
def run():
    return Visit(load_result(RUNS / "posebox"), "head")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_visit_is_found_by_its_word_alone_for_ten_minutes(run):
    clock = Clock()
    visits = Visits(clock)
    visits.put(WORDS[0], run)
    assert visits.get(WORDS[0]) is run
    assert visits.get(WORDS[1]) is None
    clock.now = KEPT_SECONDS
    assert visits.get(WORDS[0]) is run
    clock.now += 0.1
    assert visits.get(WORDS[0]) is None


def test_a_later_run_of_the_same_visitor_takes_the_place_of_the_first_and_starts_its_time_anew(run):
    clock = Clock()
    visits = Visits(clock)
    visits.put(WORDS[0], run)
    clock.now = KEPT_SECONDS / 2
    later = Visit(run.result, "card")
    visits.put(WORDS[0], later)
    clock.now = KEPT_SECONDS + 1
    assert visits.get(WORDS[0]) is later


def test_of_many_visitors_the_last_ones_are_kept(run):
    visits = Visits(Clock())
    for word in WORDS:
        visits.put(word, run)
    kept = [visits.get(word) is not None for word in WORDS]
    assert kept == [False] * 4 + [True] * 16


@pytest.mark.parametrize("word", ["", "me", None, 7, WORDS[0] + "\n", WORDS[0].upper() + "x", ["a"], "../" + WORDS[0]])
def test_a_word_that_no_page_made_keeps_and_finds_nothing(run, word):
    visits = Visits(Clock())
    visits.put(word, run)
    assert visits.get(word) is None


def test_a_typed_pair_is_the_same_by_what_runs_and_over_subjects_by_its_prompts_alone():
    assert Typed.of(" a cat", "a dog ", 8, 0) == Typed.of("a cat", "a dog", 8, 0)
    assert Typed.of("a cat", "a dog", 8, 0) != Typed.of("a cat", "a dog", 8, 1)
    assert Typed.of("{subject} sits", "{subject} leaps", 8, 0) == Typed.of("{subject} sits", "{subject} leaps", 4, 0)


def test_the_answer_that_was_asked_for_longest_ago_goes_first():
    kept = Kept(most=2)
    one, two, three = (Typed.of("a cat", "a dog", 8, seed) for seed in range(3))
    answers = [object() for _ in range(3)]
    kept.put(one, answers[0])
    kept.put(two, answers[1])
    assert kept.get(one) is answers[0]
    kept.put(three, answers[2])
    assert kept.get(two) is None
    assert (kept.get(one), kept.get(three)) == (answers[0], answers[2])
