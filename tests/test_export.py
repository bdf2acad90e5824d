"""What a view shows, as files: tables that a program reads, figures in two forms, a ZIP that is the same twice."""

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.questions.response import summarise
from plantain.report import export
from plantain.report.figures import maps
from plantain.report.files import answer_csv
from plantain.report.register import QUESTIONS
from plantain.wording import Table


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_cells_are_numbers_that_a_program_reads_and_words_stay_as_they_are():
    cells = (
        ("head", "t", "share", "n"),
        ("joint[0] head 1, trained", "−1,234.5", "52.7 %", "—"),
        ('said "so"', "+3.10", "2.5e-3", "1,2,3"),
    )
    assert rows(export.table_csv(Table("Heads", "", cells))) == [
        ["head", "t", "share", "n"],
        ["joint[0] head 1, trained", "-1234.5", "52.7 %", ""],
        ['said "so"', "+3.10", "2.5e-3", "1,2,3"],
    ]


def test_tables_of_one_title_are_two_files_and_names_are_plain():
    table = Table("Heads at |t| > 3: Größe/../x", "", (("a",), ("1",)))
    files = export.table_files([table, table, Table("…", "", (("a",),))], "set")
    assert list(files) == ["set_heads_at_t_3_groe_x.csv", "set_heads_at_t_3_groe_x_2.csv", "set.csv"]
    assert export.file_name("…") == "table"


def test_a_sections_files_are_its_words_its_figure_twice_and_every_table():
    result = load_result(RUNS / "posebox")
    section = QUESTIONS["stability"].section(*QUESTIONS["stability"].loaded(), brief=True)[0]
    files = export.section_files("stability", section)
    kinds = [name.rsplit(".", 1)[1] for name in files]
    assert kinds.count("csv") == len(section.tables)
    assert kinds.count("md") == 1
    if section.draw is not None:
        assert kinds.count("svg") == kinds.count("pdf") == 1
    named = rows(answer_csv(result.head_map, "card", {"t": summarise(result).t.tolist()}))
    assert named[0][0] == "head"
    assert len(named) == 511


def test_names_of_heads_in_a_csv_are_those_of_the_page():
    from plantain.ui.dense import dense_beside

    dense = dense_beside("shipped/posebox")
    table = rows(answer_csv(dense.family.trained.run.head_map, "head", {"t": [0.0] * 75}))
    assert [row[0] for row in table[1:]] == list(dense.names)


def test_squares_are_rows_with_their_place():
    first = np.arange(6.0).reshape(2, 3)
    table = rows(export.squares_csv({"shift": first, "moved": first / 2}))
    assert table[0] == ["row", "column", "shift", "moved"]
    assert table[6] == ["2", "3", "5", "2.5"]


def test_the_same_files_give_the_same_bytes(tmp_path):
    files = {"a.csv": "head\n", "b.png": b"\x89PNG"}
    one, two = (export.write_zip(tmp_path / name, files).read_bytes() for name in ("one.zip", "two.zip"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.csv": b"head\n", "b.png": b"\x89PNG"}


def drawn(layers):
    """The figure as pixels."""
    with Image.open(io.BytesIO(maps.draw(layers, "").to_bytes("png"))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_map_is_drawn_as_squares_over_the_picture_in_greys():
    values, red = np.zeros((2, 2)), np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    values[0, 1] = 1.0  # above, on the right
    plain = drawn([maps.Layer("A", values, red)])
    height, width = plain.shape[:2]
    above = plain[int(0.35 * height), int(0.25 * width)], plain[int(0.35 * height), int(0.75 * width)]
    assert len(set(above[0])) == 1  # the picture alone, grey
    assert len(set(above[1])) > 1
    colours = {tuple(pixel) for pixel in plain[int(0.3 * height) : int(0.9 * height), :: width // 40].reshape(-1, 3)}
    assert len(colours) < 12  # not smoothed


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((2, 2), 3.0)], ids=["nothing", "all alike"])
def test_a_map_without_contrast_is_drawn(values):
    assert drawn([maps.Layer("", values)]).ndim == 3
