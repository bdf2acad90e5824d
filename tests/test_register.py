"""Every question of the register: asked of its shipped run, from the shell, on the page, in the documents."""

import csv

import pytest

from plantain import cli
from plantain.paths import ROOT
from plantain.report.register import QUESTIONS
from plantain.ui.html import section_html


@pytest.fixture(scope="module", params=list(QUESTIONS))
def answered(request, shipped_study):
    """A question, and its answer on the run that the page shows."""
    question = QUESTIONS[request.param]
    asked, twin = (shipped_study, None) if question.of == "study" else question.loaded()
    return question, *question.section(asked, twin, brief=True)


def test_an_answer_says_what_was_found_beside_the_twin(answered):
    question, section, found = answered
    assert section.title == question.title
    assert section.title.endswith("?")
    assert found.finding in section.sentences
    twins = [sentence for sentence in section.sentences if sentence.startswith("Untrained twin: ")]
    assert len(twins) == (1 if question.of == "run" else 0)
    assert all(len({len(row) for row in table.cells}) == 1 for table in section.tables)
    assert (section.draw is not None) == bool(question.figure)


def test_it_is_rendered_as_text_markdown_and_html_from_one_section(answered):
    _, section, _ = answered
    html = section_html(section)
    for sentence in section.sentences:
        assert sentence in section.text
        assert sentence in section.markdown()
    for table in section.tables:
        assert table.columns in section.text
        assert table.rows_markdown in section.markdown()
    assert html.count("<table>") == len(section.tables)
    assert ("<svg" in html) == (section.draw is not None)


def test_the_shell_has_its_command_and_the_documents_their_row(answered, run_cli):
    question, _, found = answered
    assert question.name in cli.parser().format_help()
    status, printed, _ = run_cli(question.name, question.shown)
    assert status == 0
    assert all(sentence in printed for sentence in found.sentences)
    rows = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").splitlines()
    assert sum(row.startswith(f"| `{question.name}` | {question.title} |") for row in rows) == 1


def test_a_value_a_head_is_written_where_there_is_one(answered, run_cli, tmp_path):
    question, section, found = answered
    assert bool(question.written) == bool(section.draw or found.columns)
    status, *_ = run_cli(question.name, question.shown, "--out", tmp_path / "out")
    if not question.written:
        assert status == cli.EXIT_BAD_INPUT
        return
    assert status == 0
    kinds = {path.suffix for path in (tmp_path / "out").iterdir()}
    assert kinds == ({".svg", ".pdf", ".png"} if section.draw else set()) | ({".csv"} if found.columns else set())
    if found.columns:
        with (tmp_path / "out" / f"{question.name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert set(found.columns) < set(rows[0])
        assert len(rows) == len(next(iter(found.columns.values())))
