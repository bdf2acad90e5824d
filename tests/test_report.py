"""Reports: files that others can read, with the numbers of the summary in them."""

import csv
import io
import json

import numpy as np
import pytest

import plantain
from plantain import figures, report
from plantain.paths import RUNS


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
    assert report.CAVEAT in text
    assert "attention heads" in text.lower()
    assert "Partial run" not in text


def test_figures_are_real_pictures_and_the_svg_is_the_same_each_time(result, folder):
    for name in ("overview", "null", "split_half"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (folder / f"{name}.svg").read_bytes()
    table = plantain.summarise(result)
    again = [figures.overview(table, result.head_map).to_bytes("svg") for _ in range(2)]
    assert again[0] == again[1]


def test_alternative_text_says_the_finding(result):
    table = plantain.summarise(result)
    alt = figures.overview(table, result.head_map).alt
    assert f"{table.counts[0]} of 510 heads" in alt
    assert table.blocks[0].name in alt


def test_a_partial_run_is_reported_as_partial(result, tmp_path):
    partial = plantain.load_result(_partial(result, tmp_path / "run"))
    text = (report.write_report(partial, tmp_path / "report") / "report.md").read_text(encoding="utf-8")
    assert "Partial run: 6 of 25 pairs" in text


def _partial(result, folder):
    from dataclasses import replace

    replace(result, mean_square=result.mean_square[:6], token_counts=result.token_counts[:6]).save(folder)
    return folder
