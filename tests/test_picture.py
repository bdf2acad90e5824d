"""Pictures: the SVG inside the page is valid, apart from its neighbours, and in the page's colours."""

import re
import threading
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure

from plantain.report import palette
from plantain.report.palette import DARK, INK, PAPER, VARIABLES
from plantain.report.picture import NARROW, WIDE, Picture, style
from plantain.ui.html import html_table, page_figure
from plantain.wording import Table


def drawing(text="t", alt='what "it" says & <more>', width=WIDE):
    with style():
        figure = Figure(figsize=(width, 2))
        axes = figure.add_axes((0.1, 0.2, 0.8, 0.7))
        axes.plot([0, 1, 2], [0, 3, 1], "o-", color=palette.RUN)
        axes.plot([1], [1], "o", color=PAPER, markeredgecolor=INK)
        axes.imshow(palette.signed_cells(np.array([[-1.0, 0, 2]]), 2), interpolation="none", aspect="auto")
        axes.set_title(text)
    return Picture(figure, alt)


def ids(svg):
    return set(re.findall(r'\bid="([^"]+)"', svg))


def test_inline_svg_is_xml_and_says_what_it_shows():
    root = ET.fromstring(drawing().to_svg())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'what "it" says & <more>'
    assert root.get("viewBox") == f"0 0 {72 * WIDE:g} 144"
    assert "width:100%" in root.get("style")
    assert root.get("width") is None


def test_nothing_of_it_reaches_the_rest_of_the_page():
    svg = drawing().to_svg()
    assert svg.startswith("<svg ")
    for left in ("<?xml", "<!DOCTYPE", "<style", "<metadata", "<script", "xlink", "DejaVu"):
        assert left not in svg


def test_ids_are_used_and_shared_with_no_other_picture():
    first, second = drawing().to_svg(), drawing("another").to_svg()
    assert ids(first)
    assert not ids(first) & ids(second)
    used = set(re.findall(r'(?:href="|url\()#([\w.-]+)', first))
    assert used == ids(first)
    assert not ids(first) & ids(drawing().to_svg("again"))


def test_the_same_picture_gives_the_same_bytes():
    assert drawing().to_svg() == drawing().to_svg()
    for kind in ("png", "svg", "pdf"):
        assert drawing().to_bytes(kind) == drawing().to_bytes(kind)


def test_every_colour_is_a_variable_with_its_light_value_to_fall_back_to():
    svg = drawing().to_svg()
    for tag in re.findall(r"<[^>]+>", svg):
        for colour in re.findall(r"#[0-9a-fA-F]{6}\b", re.sub(r"base64,[^\"]*", "", tag)):
            assert re.search(rf"var\(--plantain-\w+, {colour}\)", tag), tag
    assert f"var(--plantain-ink, {INK})" in svg
    assert f"var(--plantain-paper, {PAPER})" in svg
    assert f"var(--plantain-run, {palette.RUN})" in svg
    assert "#000000" not in svg


def test_a_file_has_a_white_ground_and_the_page_shows_through_the_inline_one():
    picture_ = drawing()
    assert 'style="fill: #ffffff"' in picture_.to_bytes("svg").decode()
    assert "fill: var(--plantain-paper, #ffffff)" not in re.sub(r"<(path|use)[^>]*stroke[^>]*>", "", picture_.to_svg())


def test_colours_and_ids_in_words_stay_words():
    svg = drawing('#222222 id="x" $a$b').to_svg()
    assert '#222222 id="x" $a$b' in "".join(ET.fromstring(svg).itertext())


def test_light_and_dark_name_the_same_variables():
    assert VARIABLES.keys() == DARK.keys()
    assert VARIABLES["--plantain-ink"] != DARK["--plantain-ink"]


def contrast(a, b):
    def luminance(colour):
        parts = np.array(palette.rgb(colour)) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [VARIABLES, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_as_wcag_asks(mode):
    paper = mode["--plantain-paper"]
    for name in ("ink", "muted"):
        assert contrast(mode[f"--plantain-{name}"], paper) >= 4.5
    for name in ("plus", "minus", "run", "twin"):
        assert contrast(mode[f"--plantain-{name}"], paper) >= 3


def test_signed_cells_are_clear_at_zero_full_at_the_limit_and_coloured_by_sign():
    cells = palette.signed_cells(np.array([0.0, np.nan, 5, -5, 2.5, -np.inf]), 5)
    assert cells[:, 3].tolist() == [0, 0, 255, 255, 128, 255]
    assert tuple(cells[2, :3]) == tuple(cells[4, :3]) == palette.rgb(palette.PLUS)
    assert tuple(cells[3, :3]) == tuple(cells[5, :3]) == palette.rgb(palette.MINUS)


def test_settings_of_matplotlib_are_put_back_also_by_threads_at_once():
    before = dict(rcParams)
    reference = drawing().to_svg()
    found = []
    threads = [threading.Thread(target=lambda: found.append(drawing().to_svg())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [reference] * 6
    assert dict(rcParams) == before


def test_a_page_figure_holds_both_widths_and_the_numbers():
    said = page_figure(lambda width: drawing(width=width), Table("", "", (("a",), ("b",))))
    root = ET.fromstring(said)
    widths = [svg.get("viewBox").split()[2] for svg in root.iter("{http://www.w3.org/2000/svg}svg")]
    assert widths == [f"{72 * WIDE:g}", f"{72 * NARROW:g}"]
    assert [div.get("class") for div in root.findall("div")] == ["plantain-wide", "plantain-narrow"]
    assert root.find("details/div/table") is not None
    found = re.findall(r'\bid="([^"]+)"', said)
    assert len(found) == len(set(found))
    assert "<details>" not in page_figure(lambda width: drawing(width=width))


def test_a_table_escapes_every_text_and_marks_numbers():
    evil = "<script>alert(1)</script>"
    said = html_table(Table(evil, "", ((evil, "n"), (evil, "1234"), ("a & b", "−1.5"), ("single[0]", "52.7 %"))))
    assert "<script" not in said
    root = ET.fromstring(said)
    assert root.get("class") == "plantain-scroll"
    assert root.findtext("table/caption") == evil
    cells = {cell.text: cell.get("class") for cell in root.iter("td")}
    assert cells == {
        evil: None,
        "1234": "plantain-number",
        "a & b": None,
        "−1.5": "plantain-number",
        "single[0]": None,
        "52.7 %": "plantain-number",
    }
