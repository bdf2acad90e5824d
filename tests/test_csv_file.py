"""Files of pairs as spreadsheets and programs save them: what is read, what is left out, and what is refused."""

import time
from contextlib import suppress

import pytest

from plantain.data.csv_file import SEPARATORS, read_sheet
from plantain.data.prompts import check_enough, load_prompts, parse_csv
from plantain.errors import InputError

PAIRS = [("a man, standing", "a man, leaping"), ("José sits", "José kneels"), ("a cat", "a dog")]


def rows(separator, end="\n", quote=False, first=("a", "b")):
    """The three pairs; a text is quoted where it must be, or always."""

    def cell(text):
        return f'"{text}"' if quote or separator in text else text

    return end.join([separator.join(map(cell, row)) for row in [first, *PAIRS]]) + end


# Each as the program writes it: its bytes, and what is told of it.
READ = {
    "Excel, Windows, English: CSV UTF-8": (rows(",", "\r\n").encode("utf-8-sig"), "separated by commas, UTF-8."),
    "Excel, Windows, German: CSV UTF-8": (rows(";", "\r\n").encode("utf-8-sig"), "separated by semicolons, UTF-8."),
    "Excel: Unicode text": (rows("\t", "\r\n").encode("utf-16"), "separated by tabs, UTF-16."),
    "Excel, old Mac line ends": (rows(",", "\r").encode(), "separated by commas, UTF-8."),
    "Excel, with its first line": (b"sep=;\r\n" + rows(";", "\r\n").encode(), "separated by semicolons, UTF-8."),
    "Excel, columns once touched": (
        b"a;b;;\r\n" + "".join(f"{a};{b};;\r\n" for a, b in PAIRS).encode() + b";;;\r\n" * 5,
        "separated by semicolons, UTF-8. Skipped 5 empty rows. Left out columns 3, 4, which have no name (empty).",
    ),
    "Excel, a comment beside": (
        (
            "a,b,\r\n" + "".join(f'"{a}","{b}",{note}\r\n' for (a, b), note in zip(PAIRS, ["", "sic", ""], strict=True))
        ).encode(),
        "separated by commas, UTF-8. Left out column 3, which has no name (text in row 3).",
    ),
    "Numbers": (rows(",", "\n").rstrip("\n").encode(), "separated by commas, UTF-8."),
    "LibreOffice, all cells quoted": (rows(",", quote=True).encode(), "separated by commas, UTF-8."),
    "LibreOffice, vertical bars": (rows("|").encode(), "separated by vertical bars, UTF-8."),
    "LibreOffice, UTF-16": (rows(",").encode("utf-16"), "separated by commas, UTF-16."),
    "pandas to_csv": (
        (",a,b\n" + "".join(f'{i},"{a}","{b}"\n' for i, (a, b) in enumerate(PAIRS))).encode(),
        "separated by commas, UTF-8. Left out column 1, which has no name (text in 3 rows).",
    ),
    "pandas to_csv, sep=tab, index": (
        ("\ta\tb\n" + "".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in enumerate(PAIRS))).encode(),
        "separated by tabs, UTF-8. Left out column 1, which has no name (text in 3 rows).",
    ),
    "pandas to_csv, UTF-16 big endian": (b"\xfe\xff" + rows(",").encode("utf-16-be"), "separated by commas, UTF-16."),
    "Google Sheets: CSV": (rows(",", "\r\n").rstrip().encode(), "separated by commas, UTF-8."),
    "Google Sheets: TSV": (rows("\t", "\r\n").rstrip().encode(), "separated by tabs, UTF-8."),
    "R write.csv": (
        ('"","a","b"\n' + "".join(f'"{i}","{a}","{b}"\n' for i, (a, b) in enumerate(PAIRS, 1))).encode(),
        "separated by commas, UTF-8. Left out column 1, which has no name (text in 3 rows).",
    ),
    "R write.csv2": (
        ('"";"a";"b"\r\n' + "".join(f'"{i}";"{a}";"{b}"\r\n' for i, (a, b) in enumerate(PAIRS, 1))).encode(),
        "separated by semicolons, UTF-8. Left out column 1, which has no name (text in 3 rows).",
    ),
    "Notepad, by hand": (
        (
            '\ufeffA, B\r\n"a man, standing", "a man, leaping"\r\n\r\nJosé sits , José kneels\r\n a cat, a dog\r\n\r\n'
        ).encode(),
        "separated by commas, UTF-8. Skipped 2 empty rows.",
    ),
    "Notepad, Unicode": (rows(",", "\r\n").encode("utf-16"), "separated by commas, UTF-16."),
}
REFUSED = {
    "Excel, Windows: CSV (cp1252)": rows(",", "\r\n").encode("cp1252"),
    "Excel, Mac: CSV (Mac Roman)": rows(";", "\r").encode("mac-roman"),
    "Notepad, ANSI (cp1251)": "a,b\nкот,пёс\n".encode("cp1251"),
    "UTF-16 without its mark": rows(",").encode("utf-16-le"),
    "UTF-16, cut": rows(",").encode("utf-16")[:-1],
    "UTF-32": rows(",").encode("utf-32"),
    "a spreadsheet renamed": b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00",
}


@pytest.fixture
def load(tmp_path):
    def load_bytes(content, name="mine.csv"):
        (tmp_path / name).write_bytes(content)
        return load_prompts(tmp_path / name)

    return load_bytes


@pytest.mark.parametrize(("content", "note"), READ.values(), ids=READ)
def test_files_of_every_program_give_the_same_pairs(load, content, note):
    prompts = load(content)
    assert [(pair.a, pair.b) for pair in prompts.pairs] == PAIRS
    assert all(not pair.tags for pair in prompts.pairs)
    assert prompts.note == f"mine.csv: 3 pairs read, {note}"
    assert "note" not in prompts.to_dict()


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_other_encodings_are_refused_with_what_to_do(load, content):
    with pytest.raises(InputError, match=r"^Line [1234] of mine\.csv is not UTF-(8|16) text\. .*as “CSV UTF-8”"):
        load(content)


@pytest.mark.parametrize("ending", ["csv", "CSV", "tsv", "txt"])
def test_a_table_may_have_any_of_its_endings(load, ending):
    assert len(load(rows("\t").encode(), f"mine.{ending}")) == 3


# -- separators and header -------------------------------------------------------------------------


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_separator_may_occur_in_prompts_as_may_the_others(separator):
    a, b = "one, two; three | four\tfive", "one, two; three | four\tsix"
    (pair,) = parse_csv(f'a{separator}b\n"{a}"{separator}"{b}"\n', "mine").pairs
    assert (pair.a, pair.b) == (a, b)


def test_prompts_of_a_european_file_hold_commas_without_quotes():
    (pair,) = parse_csv("a;b\na man, standing;a man, leaping\n", "mine").pairs
    assert (pair.a, pair.b) == ("a man, standing", "a man, leaping")


def test_a_header_that_fits_two_separators_is_read_by_the_first_or_by_the_one_named():
    text = "a,b,x;a;b\np,q,r;s;t\n"
    assert parse_csv(text, "mine").prompts == ["p", "q"]
    assert parse_csv("sep=;\n" + text, "mine").prompts == ["s", "t"]


@pytest.mark.parametrize("header", ["A,B", " a , b ", "a, b", '"A" ,"b"', "\ufeff\ufeffa,b", "a\u200b,B\u00a0"])
def test_case_and_spaces_of_the_header_do_not_matter(header):
    assert parse_csv(f"{header}\nx,y\n", "mine").prompts == ["x", "y"]


def test_id_is_found_in_any_case_and_tags_keep_theirs():
    (pair,) = parse_csv("ID, Subject ,A,B\none,man,x,y\n", "mine").pairs
    assert (pair.id, pair.tags) == ("one", {"Subject": "man"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it has none"),
        ("\n\n \n", "it has none"),
        ("a\nx\n", "it has 'a'"),
        ("a;text\nx;y\n", "it has 'a', 'text'"),
        ("x,y\n1,2\n", "separated by , ; tab or"),
        ("a,b\n", "holds no pairs"),
        ("a,b\n,\n,\n", "holds no pairs"),
        ("a,b,A\nx,y,z\n", "has the column 'a' twice"),
        ("a,b,note,note\nx,y,u,v\n", "has the column 'note' twice"),
        ('a,b\nx,"y\nu,v\n', "A quote that opens in row 2 of The CSV text is never closed"),
        ("a,b\nx,y\0\n", "NUL characters"),
    ],
)
def test_what_holds_no_pairs_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_csv(text, "mine")


# -- rows ------------------------------------------------------------------------------------------


def test_cells_may_hold_line_breaks_of_any_kind():
    (pair,) = parse_csv('a,b\r\n"one\r\ntwo","one\r\nthree"\r\n', "mine").pairs
    assert (pair.a, pair.b) == ("one\ntwo", "one\nthree")


def test_tags_that_a_short_row_lacks_are_empty():
    """Excel leaves out what is empty at the end of a row."""
    prompts = parse_csv("a,b,subject,note\nx,y\nu,v,man\n", "mine")
    assert [pair.tags for pair in prompts.pairs] == [{"subject": "", "note": ""}, {"subject": "man", "note": ""}]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("x,", r"Prompt b of pair '[^']+' \(row 7 of mine\.csv, column b\) is empty"),
        (" ,y", r"Prompt a of pair '[^']+' \(row 7 of mine\.csv, column a\) is empty"),
        ("x,x", r"The two prompts of pair '[^']+' \(row 7 of mine\.csv\) are the same"),
        ("x,x\u200b", r"The two prompts of pair '[^']+' \(row 7 of mine\.csv\) look the same"),
        ("x,y\x1b", r"Prompt b of pair '[^']+' \(row 7 of mine\.csv, column b\) holds a control character"),
        (f"x,{'word ' * 600}", r"row 7 of mine\.csv, column b\) has 600 words"),
        ("x,y,not plain", r"The id 'not plain' \(row 7 of mine\.csv, column id\) is not usable"),
        ("x,y,index", r"The id 'index' \(row 7 of mine\.csv, column id\) is a column name"),
        ("x,y,one", r"Two pairs have the id 'one' \(row 3 of mine\.csv; row 7 of mine\.csv\)"),
        ("x,y,two,z", r"Row 7 of mine\.csv has text in column 4, and the first row has only 3 columns"),
        (f"x,{'y' * 200_000}", r"mine\.csv is not readable as CSV from row 7 on"),
        ('x,"y', r"A quote that opens in row 7 of mine\.csv is never closed"),
    ],
)
def test_a_fault_is_named_by_row_and_column_as_a_spreadsheet_shows_them(load, row, sentence):
    """Empty rows count, a row of several lines counts once, and Excel's first line is none."""
    with pytest.raises(InputError, match=sentence):
        load(
            f'sep=,\n\na,b,id\n"one\ntwo",three,one\n\n\nfour,five\n{row}'.replace("\n\n\nfour", "\n\n,\nfour").encode()
        )


@pytest.mark.parametrize(
    "b",
    [
        "caf\u00e9 noir\u200b",
        "cafe\u0301 noir",
        "caf\u00e9\u00a0noir",
        "caf\u00e9  noir",
        "\ufeffcaf\u00e9 noir",
        "caf\u00e9 no\u00adir",
        "\u202acaf\u00e9 noir\u202c",
        "caf\u00e9\u2003noir\u2060",
    ],
    ids=["zero width", "NFD", "no-break space", "two spaces", "mark", "soft hyphen", "direction", "other spaces"],
)
def test_two_prompts_that_look_the_same_are_refused(b):
    with pytest.raises(InputError, match=r"\(row 2 of The CSV text\) look the same"):
        parse_csv(f"a,b\ncaf\u00e9 noir,{b}\n", "mine")


def test_case_and_punctuation_make_a_difference():
    assert len(parse_csv("a,b\na cat,A cat\na cat,a cat.\nre\u0301sume\u0301,resume\n", "mine")) == 3


# -- repeated pairs --------------------------------------------------------------------------------


def test_repeated_pairs_are_left_out_and_named_and_the_others_count():
    prompts = parse_csv("a,b,note\nx,y,1\nu,v,2\nx,y,3\n\nx\u200b, y ,4\n", "mine")
    assert [(pair.id, pair.a, pair.tags["note"]) for pair in prompts.pairs] == [
        ("pair-01", "x", "1"),
        ("pair-02", "u", "2"),
    ]
    assert prompts.note.endswith("Left out 2 repeated pairs (row 4 repeats row 2; row 6 repeats row 2).")


def test_many_repeated_pairs_are_named_by_the_first_of_them(load):
    prompts = load(b"a,b\n" + b"a man standing,a man leaping\n" * 8)
    assert len(prompts) == 1
    assert prompts.note.endswith(
        "Left out 7 repeated pairs (row 3 repeats row 2; row 4 repeats row 2; row 5 repeats row 2 …)."
    )
    with pytest.raises(
        InputError,
        match=r"at least 3 pairs; 'mine' has 1\. Add pairs\. mine\.csv: 1 pair read.*Left out 7 repeated pairs",
    ):
        check_enough(prompts)


def test_repeated_pairs_of_a_json_file_are_named_by_their_ids(load):
    prompts = load(
        b'{"pairs": [{"id": "k", "a": "x", "b": "y"}, {"a": "u", "b": "v"}, {"id": "m", "a": "x", "b": "y"}]}',
        "mine.json",
    )
    assert [pair.id for pair in prompts.pairs] == ["k", "pair-02"]
    assert prompts.note == "mine.json: 2 pairs read. Left out 1 repeated pair ('m' repeats 'k')."
    with pytest.raises(InputError, match="The two prompts of pair 'pair-01' look the same"):
        load('{"pairs": [{"a": "x", "b": "x\u200b"}]}'.encode(), "mine.json")


def test_a_json_file_may_be_utf_16(load):
    assert load('{"pairs": [{"a": "José", "b": "y"}]}'.encode("utf-16"), "mine.json").prompts == ["José", "y"]


def test_shipped_sets_and_sides_exchanged_repeat_nothing():
    assert load_prompts("dense_pose").note == ""
    assert len(parse_csv("a,b\nx,y\ny,x\n", "mine")) == 2


# -- hostile files ---------------------------------------------------------------------------------

HOSTILE = {
    '24 kB of "x,': '"x,' * 8_000,
    '96 kB of "x,': '"x,' * 32_000,
    '10 MB of "x,': '"x,' * 3_400_000,
    "quotes": '"' * 10_000_000,
    "quotes in a row": 'a,b\n"x' + '""' * 5_000_000,
    "commas": "a,b\n" + "," * 10_000_000,
    "all separators": ",;\t|" * 2_500_000,
    "rows of commas": "a,b\n" + ",\n" * 5_000_000,
    "rows of separators": "a,b\n" + ",;\t|" * 200_000 + "\n",
    "a header of commas": "a,b" + "," * 900_000 + "\nx,y\n",
    "a header of names": "a,b," + ",".join(f"c{i}" for i in range(1_000_000)),
    "line ends": "a,b\n" + "\r" * 10_000_000,
    "spaces": " " * 10_000_000,
    "sep=": "sep=" * 2_500_000,
    "NUL": "\0" * 10_000_000,
    "accents": "a,b\n" + "".join(f"{i}e" + "\u0301\u0323" * 4000 + ",y\n" for i in range(300)),
    "Tibetan vowels": "a,b\n" + "".join(f"{i}" + "\u0f73" * 8000 + ",y\n" for i in range(200)),
    "invisible": "a,b\n" + "\u200b" * 100_000 + ",y\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_file_takes_long(text):
    started = time.process_time()
    with suppress(InputError):
        assert len(parse_csv(text, "hostile")) <= 300
    assert time.process_time() - started < 2


def test_a_sheet_holds_named_columns_and_the_numbers_of_its_rows():
    sheet = read_sheet("a,,b\nx,1,y\n\nu,2,v\n", "It")
    assert (sheet.columns, sheet.rows, sheet.numbers, sheet.separator) == (
        ["a", "b"],
        [["x", "y"], ["u", "v"]],
        [2, 4],
        ",",
    )
    assert sheet.left_out == ["Skipped 1 empty row.", "Left out column 2, which has no name (text in 2 rows)."]
