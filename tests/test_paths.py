"""Names as folders: safe ones are their own, others lose what a path is made of."""

import time

import pytest

from plantain.errors import InputError
from plantain.paths import PROMPTS, safe_name


@pytest.mark.parametrize(
    "name", ["dense_pose", "lexical_1", "my-set.v2", "_mine", "Tänzer", "舞者", *PROMPTS.glob("*.json")]
)
def test_a_safe_name_is_its_own(name):
    name = getattr(name, "stem", name)
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("../../x", "x"),
        ("/abs/x", "abs-x"),
        ("a\0b\nc", "a-b-c"),
        ("C:\\x", "C-x"),
        ("..hidden.", "hidden"),
        ("acme/klein 4B", "acme-klein-4B"),
        ("a/../b", "a-..-b"),
        ("n" * 300, "n" * 200),
        ("舞" * 100, "舞" * 66),
        ("a\u0308", "ä"),
    ],
)
def test_others_lose_what_a_path_is_made_of(name, folder):
    assert safe_name(name) == folder
    assert safe_name(folder) == folder


@pytest.mark.parametrize("name", ["", "..", "/", "\0", " - "])
def test_where_nothing_is_left_it_is_refused(name):
    with pytest.raises(InputError, match="No folder can be named"):
        safe_name(name)
    assert safe_name(name, "model") == "model"


def test_a_name_of_accents_without_end_takes_no_time():
    started = time.process_time()
    safe_name("a" + "\u0301\u0323" * 100_000)
    assert time.process_time() - started < 1
