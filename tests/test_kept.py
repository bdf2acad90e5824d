"""What the page shows of the shipped runs is kept in a file: what they give, and not used where they are others."""

import gzip
import json
import re
import shutil

import pytest

import plantain.ui.page  # noqa: F401  (with it come all that keep something)
from plantain.paths import RUNS
from plantain.report.picture import Picture
from plantain.ui import kept
from plantain.ui.tabs import is_it_pose
from plantain.ui.view import show_cached


def without_drawings(found):
    said = json.dumps(found, ensure_ascii=False, default=dict).replace("</svg>\\n", "</svg>")
    return re.sub(r"<svg xmlns=.*?</svg>", "<svg/>", said, flags=re.DOTALL)


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """The shipped runs' kept file, to be written to."""
    runs = tmp_path / "runs"
    shutil.copytree(RUNS / "posebox", runs / "posebox")
    monkeypatch.setattr(kept, "FILE", runs / "page.json.gz")
    return kept.FILE


def write(file, **found):
    file.write_bytes(gzip.compress(json.dumps(found).encode()))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(kept._makers))
def test_what_is_kept_is_what_the_shipped_runs_give(name, monkeypatch):
    """All but its drawings, which no two versions of matplotlib make alike."""
    found = json.loads(gzip.decompress(kept.FILE.read_bytes()))
    assert found["of"] == kept.digest(RUNS), "the shipped runs have changed: python benchmarks/findings/kept.py"
    monkeypatch.setattr(Picture, "to_svg", lambda self, key="": "<svg xmlns=></svg>")
    monkeypatch.setattr(is_it_pose, "_kept", {})
    make, cases = kept._makers[name]
    wanted = {kept._key(args): without_drawings(make(*args)) for args in cases()}
    assert {key: without_drawings(value) for key, value in found["made"][name].items()} == wanted


def test_nothing_is_kept_that_is_not_made():
    assert json.loads(gzip.decompress(kept.FILE.read_bytes()))["made"].keys() == kept._makers.keys()


def test_a_shipped_run_is_shown_without_being_counted(monkeypatch):
    from plantain.ui import catalog

    monkeypatch.setattr(catalog, "both_in", None)
    shown = show_cached(catalog.entry("shipped/posebox"), "card")
    assert "respond" in shown["headline"]
    assert "<svg" in shown["overview"]


def test_of_the_runs_that_are_there_it_is_used_and_else_made(own_file):
    asked = []

    @kept.kept(lambda: [("a",)])
    def twice(word):
        asked.append(word)
        return 2 * word

    name = "test_kept.twice"
    try:
        write(own_file, of=kept.digest(own_file.parent), made={name: {"a": "kept"}})
        assert [twice("a"), twice("b"), twice(3)] == ["kept", "bb", 6]
        assert asked == ["b", 3]
        make, cases = kept._makers[name]
        assert [make(*args) for args in cases()] == ["aa"]
    finally:
        del kept._makers[name]


@pytest.mark.parametrize("damage", ["other runs", "cut", "not gzip", "no JSON", "a list", "none"])
def test_a_file_of_other_runs_or_none_at_all_keeps_nothing(own_file, damage):
    if damage == "other runs":
        write(own_file, of="0123456789abcdef", made={"view.first_step": {}})
    elif damage == "cut":
        own_file.write_bytes(kept.RUNS.joinpath("page.json.gz").read_bytes()[:1000])
    elif damage == "not gzip":
        own_file.write_text("{}")
    elif damage == "no JSON":
        own_file.write_bytes(gzip.compress(b"{"))
    elif damage == "a list":
        own_file.write_bytes(gzip.compress(b"[]"))
    assert kept._read(own_file) == {}


def test_another_number_in_a_run_is_another_digest(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(RUNS / "posebox", run)
    before = kept.digest(tmp_path)
    (tensors,) = run.glob("*.safetensors")
    tensors.rename(run / "mean_square-000000000000.safetensors")
    again = tmp_path / "again"
    shutil.copytree(run, again / "run")
    assert kept.digest(again) != before
