"""Reports: files that others can read, with the numbers of the summary in them."""

import csv
import io
import json
import re
import zipfile

import numpy as np
import pytest
from made_runs import SMALL, run_of

import plantain
from plantain.data.prompts import described
from plantain.errors import InputError
from plantain.paths import RUNS
from plantain.questions.counted import Counted, RunWithTwin
from plantain.questions.every_head import every_head
from plantain.questions.typed_pair import read_pair
from plantain.report import files as report
from plantain.report.export import write_zip
from plantain.report.figures import response as figures
from plantain.report.register import QUESTIONS
from plantain.ui import view
from plantain.ui.run_files import run_files


@pytest.fixture(scope="module")
def result():
    return plantain.load_result(RUNS / "posebox")


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    return report.write_report(result, tmp_path_factory.mktemp("report"))


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_heads_csv_holds_the_t_of_every_head_in_both_countings(result, folder):
    for name, grouping in (("heads.csv", "card"), ("attention_heads.csv", "head")):
        rows = rows_of(folder / name)
        t = plantain.stats.paired_t(result.differences(grouping))
        assert len(rows) == len(t)
        np.testing.assert_allclose([float(row["t"]) for row in rows], t, rtol=1e-6)
        np.testing.assert_allclose([float(row["dz"]) * 5 for row in rows], t, rtol=1e-6)
        b_minus_a = [float(row["mean_b"]) - float(row["mean_a"]) for row in rows]
        np.testing.assert_allclose(b_minus_a, [float(row["mean_difference"]) for row in rows], rtol=1e-4, atol=2e-6)


def test_t_can_be_recomputed_from_differences_csv_alone(result, folder):
    rows = rows_of(folder / "differences.csv")
    d = np.array([[float(row[pair]) for pair in result.pair_ids] for row in rows])
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / np.sqrt(d.shape[1]))
    written = np.array([float(row["t"]) for row in rows_of(folder / "heads.csv")])
    np.testing.assert_allclose(t, written, rtol=1e-4, atol=1e-5)


def test_adjusted_p_is_smallest_for_the_largest_t_and_never_zero(folder):
    rows = rows_of(folder / "heads.csv")
    abs_t = np.abs([float(row["t"]) for row in rows])
    p = np.array([float(row["p_fwer"]) for row in rows])
    assert p.min() > 0
    assert (np.diff(p[np.argsort(abs_t)]) <= 0).all()


def test_summary_json_agrees_with_the_summary(result, folder):
    written = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    table = plantain.summarise(result)
    assert written["card"]["counts"] == list(table.counts)
    assert written["card"]["n_heads"] == 510
    assert written["head"]["n_heads"] == 75
    assert written["provenance"]["weights_fingerprint"] == result.provenance["weights_fingerprint"]


def test_markdown_names_every_block_both_countings_and_the_caveat(result, folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    for block in plantain.summarise(result).blocks:
        assert block.line in text
    assert described(result.prompts).caveat in text
    assert "attention heads" in text.lower()
    assert "Partial run" not in text


def test_figures_are_real_pictures_and_the_svg_is_the_same_each_time(result, folder):
    for name in ("overview", "null", "split_half"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (folder / f"{name}.svg").read_bytes()
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    table = plantain.summarise(result)
    again = [figures.overview(table, result.head_map).to_bytes("svg") for _ in range(2)]
    assert again[0] == again[1]


def test_alternative_text_says_the_finding(result):
    table = plantain.summarise(result)
    alt = figures.overview(table, result.head_map).alt
    assert f"{table.counts[0]} of 510 heads" in alt
    assert table.blocks[0].name in alt


@pytest.fixture(scope="module")
def twin():
    return plantain.load_result(RUNS / "posebox-untrained")


def cells_of(card, start):
    line = next(line for line in card.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")[1:]]


def test_the_model_card_section_holds_twin_attention_and_the_published_figures(result, twin, tmp_path):
    folder = report.write_report(result, tmp_path, twin=twin)
    text = (folder / "model_card.md").read_text(encoding="utf-8")
    runs = [plantain.summarise(run, grouping) for grouping in ("card", "head") for run in (result, twin)]
    shares = [f"{table.counts[0]} ({100 * table.shares[0]:.1f} %)" for table in runs]
    assert shares[:2] == ["269 (52.7 %)", "167 (32.7 %)"]
    assert cells_of(text, "\\|t\\| > 3") == [*shares, "8,263 (50.6 %)"]
    assert cells_of(text, "null p99 at \\|t\\| > 3") == [*(f"{t.null_p99[0]:.0f}" for t in runs), "about 1,333"]
    assert cells_of(text, "set-level p at \\|t\\| > 5") == [*(f"{t.set_p[1]:.4f}" for t in runs), "not given"]
    assert cells_of(text, "split-half r") == [*(f"{t.split_half[0]:.3f}" for t in runs), "0.863"]
    assert "](https://huggingface.co/spaces/phanerozoic/dense-plantain)" in text
    assert "](overview.svg)" in text
    assert described(result.prompts).caveat in text
    assert "not about FLUX.2 Klein" in text
    assert "has not been run" not in text
    assert "true of the model, not of its heads: random projections pass as often" in text
    assert "do the opposite (t < −3). The effects are small: the median head" in text
    for unsafe in ("<script", "<iframe"):
        assert unsafe not in text
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "The untrained twin, same prompts and settings: 167 (32.7 %) at |t| > 3, 48 (9.4 %) at |t| > 5." in page
    assert b"untrained twin" in (folder / "overview.svg").read_bytes()


def test_without_a_twin_the_model_card_says_that_nothing_can_be_read_as_learned(folder):
    text = (folder / "model_card.md").read_text(encoding="utf-8")
    assert "An untrained twin of this model has not been run" in text
    assert "cannot be read as learned" in text
    assert len(cells_of(text, "heads")) == 3


def test_an_untrained_model_needs_no_twin_and_other_prompts_no_published_column(twin):
    from dataclasses import replace

    from plantain.data.prompts import PromptSet

    pairs = [(f"a {i}", f"b {i}") for i in range(25)]
    other = replace(twin, prompts=PromptSet.from_pairs(pairs, name="mine"))
    text = report.model_card(RunWithTwin.of(other))
    assert "This model is itself untrained" in text
    assert len(cells_of(text, "heads")) == 2
    assert "16,320" not in text


def test_a_run_that_is_not_the_twin_is_refused(result, tmp_path):
    random = plantain.load_result(RUNS / "posebox-random")
    with pytest.raises(InputError, match="posebox-random on dense_pose is not the untrained twin of posebox"):
        report.write_report(result, tmp_path / "x", twin=random)
    assert not (tmp_path / "x").exists()


def test_a_partial_run_is_reported_as_partial(result, tmp_path):
    partial = plantain.load_result(_partial(result, tmp_path / "run"))
    text = (report.write_report(partial, tmp_path / "report") / "report.md").read_text(encoding="utf-8")
    assert "Partial run: 6 of 25 pairs" in text


def _partial(result, folder):
    from dataclasses import replace

    replace(result, mean_square=result.mean_square[:6], token_counts=result.token_counts[:6]).save(folder)
    return folder


def test_pairs_that_share_a_subject_are_not_taken_for_independent_ones(result):
    from plantain.report import notes

    assert notes.shared_subjects(result) is None
    twice = plantain.load_result(RUNS / "controls" / "posebox" / "articulation")
    assert "50 pairs have 25 subjects" in notes.shared_subjects(twice)
    text = report.markdown(RunWithTwin.of(twice))
    assert "every p here are too sure" in text


# -- constant differences --------------------------------------------------------------------------

NOT_FINITE = re.compile(r"(?<![a-z])(inf|nan|infinity)(?![a-z])|∞", re.IGNORECASE)


@pytest.fixture(scope="module", params=["every head", "some heads"])
def constant(request):
    """A run of eight pairs in which heads change by the same amount in every pair, as of one pair repeated."""
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 2, (8, 2, 1, 1, SMALL.n_runs))
    heads = slice(None) if request.param == "every head" else slice(5)
    values[..., heads] = values[:1, ..., heads]
    return run_of(values, provenance={"model": "made up"})


def test_a_constant_difference_is_reported_as_such_and_in_no_file_as_infinite(constant, tmp_path):
    report.write_report(constant, tmp_path, n_flips=50)
    texts = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.[cjms][sdv]*")}
    assert {"heads.csv", "summary.json", "report.md", "overview.svg"} <= texts.keys()
    assert [name for name, text in texts.items() if NOT_FINITE.search(text)] == []
    summary = json.loads(texts["summary.json"], parse_constant=pytest.fail)
    assert summary["card"]["max_abs_t"] is None
    assert summary["card"]["n_constant"] >= 5
    assert "Max \\|t\\| | constant" in texts["report.md"]
    assert "same amount in every pair" in texts["report.md"]
    first = rows_of(tmp_path / "heads.csv")[0]
    assert [first[name] for name in ("t", "dz", "g", "p", "q_bh")] == [""] * 5
    assert float(first["mean_difference"]) != 0
    assert 0 < float(first["p_fwer"]) < 0.05


@pytest.mark.parametrize("counting", ["card", "head"])
def test_the_page_shows_and_hands_out_a_constant_difference(constant, counting, tmp_path):
    both = RunWithTwin(Counted(constant, counting, n_flips=50))
    files = write_zip(tmp_path / "run.zip", run_files(both))
    with zipfile.ZipFile(files) as archive:
        for name in archive.namelist():
            if name.endswith((".csv", ".json", ".md", ".svg")):
                assert not NOT_FINITE.search(archive.read(name).decode()), name
    assert not NOT_FINITE.search(str(list(view.show(constant, counting).values())))
    assert any(np.isnan(value) for _, value in every_head(both).rows)
    assert not any(np.isinf(value) for _, value in every_head(both).rows)


def test_a_typed_pair_of_constant_differences_is_read(constant):
    reading = read_pair(constant, np.full((8, 2), 9), None)
    assert "constant" in {row[1] for row in reading.rows}
    assert not NOT_FINITE.search(str(reading.rows) + str(reading.sentences))


@pytest.mark.parametrize("name", [question.name for question in QUESTIONS.values() if question.of == "run"])
def test_a_question_on_a_constant_difference_has_an_answer_or_a_sentence(constant, name):
    try:
        section, _ = QUESTIONS[name].section(constant, None)
    except InputError:
        return
    assert not NOT_FINITE.search(section.text)
