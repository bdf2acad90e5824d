"""*Where*: squares lie on their tokens, numbers are the run's, clicks and keys show another pair, head or twin."""

import re
import shutil
from itertools import pairwise

import numpy as np
import pytest
from browser import choose, open_page, shows

from plantain.data.dense import TRUTHS
from plantain.data.family import load_family
from plantain.data.pictures import load_pictures
from plantain.paths import RUNS
from plantain.questions import projections
from plantain.questions.place import place_count
from plantain.report.palette import RUN
from plantain.report.register import QUESTIONS
from plantain.ui import dense, kept, ladder, overlay, where, where_view
from plantain.wording import signed

SHIPPED = RUNS / "dense"

PICTURE = b"RIFF...."


@pytest.fixture(scope="module")
def found():
    return dense.dense_beside("shipped/posebox")


# -- squares ---------------------------------------------------------------------------------------


def test_a_square_covers_the_pixels_of_its_token_and_they_cover_the_picture_once():
    values = np.arange(1, 13, dtype=np.float64).reshape(3, 4)
    covered = np.zeros((24, 64), int)
    for square in overlay.squares(values, 64, 24):
        y, x = slice(int(square.y), int(square.y + square.height)), slice(int(square.x), int(square.x + square.width))
        assert (y, x) == (slice(8 * square.row, 8 * square.row + 8), slice(16 * square.column, 16 * square.column + 16))
        covered[y, x] += 1
        assert square.alpha == pytest.approx(values[square.row, square.column] / 12)
    assert (covered == 1).all()


def test_a_map_of_zeros_has_no_colour_and_says_so():
    assert all(square.alpha == 0 for square in overlay.squares(np.zeros((2, 2)), 8, 8))
    assert overlay.map_words(np.zeros((2, 2))) == "zero everywhere"
    assert "<rect" not in overlay.map_svg(np.zeros((2, 2)), "Nothing.", (8, 8))


def test_the_svg_has_the_largest_square_strongest_in_the_colour_of_the_run_over_its_picture():
    svg = overlay.map_svg(np.array([[0.0, 1.0], [2.0, 4.0]]), 'It says "this" & that.', (128, 64), PICTURE)
    drawn = re.findall(r'<rect x="(\S+)" y="(\S+)" width="64" height="32" fill-opacity="(\S+)"/>', svg)
    assert [(x, y) for x, y, _ in drawn] == [("64", "0"), ("0", "32"), ("64", "32")]
    opacity = [float(shown) for *_, shown in drawn]
    np.testing.assert_allclose(np.array(opacity) / opacity[-1], [0.25, 0.5, 1], atol=2e-3)
    assert f'fill="var(--plantain-run, {RUN})"' in svg
    assert svg.index(overlay.data_uri(PICTURE)) < svg.index("<rect")
    assert 'role="img" aria-label="It says &quot;this&quot; &amp; that."' in svg


def test_words_name_the_strongest_squares():
    values = np.zeros((8, 8))
    values[2, 5], values[0, 0] = 4, 3
    said = "strongest in row 3, column 6, then row 1, column 1; above half of that in 2 of 64 squares"
    assert overlay.map_words(values) == said


# -- what is shown of a run ------------------------------------------------------------------------


def test_the_numbers_of_a_map_are_the_runs(found):
    run, head, pair = load_family([SHIPPED]).trained, 40, 7
    _, tables = where_view.shown(found, pair, head, "trained", True)
    cells = [float(cell) for cell in re.findall(r'<td class="plantain-number">([\d.]+)</td>', tables)]
    cells = np.array(cells).reshape(2, 8, 9)[..., 1:]  # beside the number of its row
    np.testing.assert_allclose(cells[0], run.shift[head, pair] * run.shift_scale[head, pair], atol=0.0051)
    np.testing.assert_allclose(cells[1], run.maps[TRUTHS.index("body"), pair], atol=0.0051)


def test_a_sentence_has_the_match_of_this_pair_and_the_place_beside_every_twin(found):
    family, head, pair = load_family([SHIPPED]), 40, 7
    said = where_view.sentence(found, pair, head, "untrained 0").replace("−", "-")
    twin = family.runs["untrained 0"]
    assert f"r = {twin.own[0, 0, 0, twin.rows('head')[head], pair]:+.2f}" in said
    for weights, run in family.runs.items():
        t = signed(place_count(run, "head").t[head], 1).replace("−", "-")
        assert (f"t = {t}" if weights == "untrained 0" else f"{weights} {t}") in said
    assert said.startswith(f"<strong>{twin.head_map.names('head')[head]}, untrained 0</strong>")


def test_both_pictures_are_the_kept_files_under_one_map_and_say_what_is_seen(found):
    pictures = load_pictures(SHIPPED / "posebox" / "dense_pose")
    drawn, _ = where_view.shown(found, 3, 20, "trained", False)
    for file in pictures.files[6:8]:
        assert overlay.data_uri(file) in drawn
    labels = re.findall(r'aria-label="([^"]*)"', drawn)
    words = overlay.map_words(where_view.shift_map(found.family.trained, 3, 20))
    assert [label.split(";")[0] for label in labels] == ["A: T-pose", "B: expressive pose"]
    assert all(words in label and "single[1] head 2, trained" in label for label in labels)
    a, b = (re.sub(r".*?<g ", "", figure, count=1) for figure in drawn.split("</figure>")[:2])
    assert a.split("</g>")[0] == b.split("</g>")[0]


def test_cells_are_coloured_by_place_and_dotted_beyond_its_threshold(found):
    t = place_count(found.family.trained, "head").t
    html = overlay.head_choices(found.family.trained.head_map, t, 0)
    depths = [int(depth) for depth in re.findall(r"--depth:(\d+)%", html)]
    np.testing.assert_allclose(depths, 100 * np.clip(t / overlay.T_SHOWN, 0, 1), atol=0.51)
    assert html.count('class="passes"') == (t > 3).sum()


def test_the_rungs_are_the_questions_own_counts(found):
    _, answer = QUESTIONS["ladder"].section(load_family([SHIPPED]))
    rows = ladder.rung_table(answer).cells[1:]
    for row, rung in zip(rows, ladder.RUNGS, strict=True):
        counts = {weights: found.count for weights, found in answer.of(rung, "attention heads").items()}
        others = [count for weights, count in counts.items() if weights.startswith(("untrained", "permuted"))]
        known = [count for count in others if count is not None]
        wanted = (counts["trained"], counts["grafted"], max(known) if known else None)
        shown = ("not run" if count is None else str(count) for count in wanted)
        projected = projections.span(answer.projected(rung)) or "—"
        assert row[1:] == (*shown, projected, answer.verdict(rung))


def test_what_cannot_be_said_stands_beside_it(found):
    said = where_view.caveat(found)
    assert "nothing is drawn yet, so the squares lie where the body will be drawn" in said
    assert "1 + 8 × its share" in said
    assert "random projections of the block's own input" in said
    assert "head's own" not in said


def test_without_a_dense_run_the_command_that_makes_one_is_said():
    assert dense.dense_beside("published") is None
    assert "python -m plantain dense --model black-forest-labs/FLUX.2-klein-base-4B" in dense.not_run("published")
    assert dense.dense_beside("shipped/posebox-random") is None
    assert "dense --model posebox-random --prompts dense_pose" in dense.not_run("shipped/posebox-random")


def test_where_nothing_is_shipped_the_page_has_the_command_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(dense, "RUNS", tmp_path)
    monkeypatch.setattr(kept, "FILE", tmp_path / "none")
    first = where.opened("shipped/posebox")
    assert not first["visible"]
    assert "python -m plantain dense --model posebox --prompts dense_pose" in first["ladder"]


def test_under_the_claim_of_the_untrained_run_its_own_maps_come_first(found):
    first = where.opened("shipped/posebox-untrained")
    assert first["visible"]
    assert first["chosen"] == "untrained 0"
    assert first["view"] == where_view.shown(found, 0, found.best, "untrained 0", False)[0]


def test_a_chosen_pair_and_head_are_kept_when_the_run_changes_the_first_ones_too(found):
    first = where.opened("published")
    assert where.opened("shipped/posebox", first["pair"], first["head"])["head"] == found.best
    assert (where.opened("shipped/posebox", 0, 0)["pair"], where.opened("shipped/posebox", 0, 0)["head"]) == (0, 0)
    kept = where.opened("shipped/posebox-untrained", 7, 31)
    assert (kept["pair"], kept["head"]) == (7, 31)


def test_a_damaged_dense_run_is_passed_over(tmp_path, monkeypatch):
    shutil.copytree(SHIPPED, tmp_path / "dense")
    monkeypatch.setattr(dense, "RUNS", tmp_path)
    assert dense.dense_beside("shipped/posebox") is not None
    (tmp_path / "dense" / "posebox" / "dense_pose" / "dense.json").write_text("{")
    assert dense.dense_beside("shipped/posebox") is None


@pytest.mark.parametrize(("asked", "index"), [(3, 3), (-1, 0), (99, 4), ("2", 0), (None, 0), (True, 0), (2.5, 0)])
def test_whatever_a_browser_sends_is_a_place_in_the_list(asked, index):
    assert where_view.index_of(asked, 5) == index


# -- in the browser --------------------------------------------------------------------------------


@pytest.fixture
def page(server, browser):
    with open_page(browser, server[0]) as opened:
        yield opened


def seen(page, text):
    page.locator(".plantain-where [role=status]").filter(has_text=text).wait_for()


def test_a_pair_a_head_and_a_twin_are_chosen_by_clicks(page, found):
    names, best = found.family.trained.head_map.names("head"), found.best
    seen(page, f"{names[best]}, trained")
    page.locator(".plantain-pairs input").nth(12).click()
    text = found.family.trained.prompts.pairs[12].b[:40]
    page.locator(f".plantain-map[aria-label*='{text}']").first.wait_for()
    page.locator(".plantain-cells input").nth(31).click()
    seen(page, f"{names[31]}, trained")
    assert page.locator(".plantain-cells input:checked").get_attribute("value") == "31"
    page.get_by_role("radio", name="untrained 0", exact=True).click()
    seen(page, f"{names[31]}, untrained 0")
    page.locator(f".plantain-cells input[aria-label*='{names[best]}']").wait_for()
    assert page.locator(".plantain-cells input:checked").get_attribute("value") == "31"  # its colours alone changed
    page.get_by_label(where.TRUTH_ASKED).click()
    page.locator(".plantain-map[aria-label^='Where the body moved in pair 13']").wait_for()
    page.get_by_role("button", name="The numbers of this map").click()
    shows(page, f"Shift of {names[31]}, untrained 0, pair 13")


def test_everything_is_reached_by_the_keyboard_and_keeps_its_focus(page, found):
    names = found.family.trained.head_map.names("head")
    page.locator(".plantain-pairs input:checked").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".plantain-map[aria-label*='pink shirt']").first.wait_for()
    assert page.evaluate("document.activeElement.value") == "1"
    page.locator(".plantain-cells input:checked").focus()
    page.keyboard.press("ArrowLeft")
    seen(page, f"{names[found.best - 3]}, trained")
    page.keyboard.press("ArrowDown")
    seen(page, f"{names[found.best - 2]}, trained")
    assert page.evaluate("document.activeElement.value") == str(found.best - 2)
    page.locator(".plantain-block").focus()
    page.keyboard.press("Home")
    seen(page, f"joint[0] head {(found.best - 2) % 3}, trained")
    assert page.locator(".plantain-block").get_attribute("aria-valuetext") == "joint[0]"
    page.get_by_role("button", name="Strongest").click()
    seen(page, f"{names[found.best]}, trained")


def test_another_run_takes_it_away_and_the_first_brings_it_back(page):
    shows(page, "what do the baselines leave to the heads?")
    choose(page, "Run", re.compile("published figures"))
    shows(page, "not run for this run")
    page.locator(".plantain-where").wait_for(state="hidden")
    choose(page, "Run", re.compile("^posebox, dense_pose"))
    page.locator(".plantain-where").wait_for()
    page.locator(".plantain-cells input").nth(4).click()
    seen(page, "joint[1] head 1, trained")


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_overlaps_and_nothing_scrolls_sideways(server, browser, width):
    with open_page(browser, server[0], width=width) as page:
        page.get_by_label(where.TRUTH_ASKED).click()
        page.locator(".plantain-map").nth(2).wait_for()
        parts = [".plantain-ladder", ".plantain-pairs", ".plantain-weights", ".plantain-where", ".plantain-heads"]
        boxes = [page.locator(part).first.bounding_box() for part in parts]
        for above, below in pairwise(boxes):
            assert above["y"] + above["height"] <= below["y"] + 1
        cells = [page.locator(".plantain-pairs label").nth(i).bounding_box() for i in range(25)]
        assert all(cell["y"] + cell["height"] <= boxes[1]["y"] + boxes[1]["height"] + 1 for cell in cells)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
