"""Summaries: figures by hand on synthetic runs, and the layout of the model card to the letter."""

import json

import numpy as np
import pytest
from made_runs import head_map, noisy_run

from plantain import stats
from plantain.data.result import ProbeResult
from plantain.errors import InputError
from plantain.questions.response import Block, CardTable, load_published, summarise

pytestmark = pytest.mark.filterwarnings("error")

HEAD_MAP = head_map(n_attention_heads=4, mlp_width=96)
CARD_ROWS = [
    "Metric Value Significance",
    "Heads with |t| > 3 8,263 (50.6%) 6.2× empirical null p99",
    "Heads with |t| > 5 4,614 (28.3%) 659× empirical null p99",
    "Heads with |d| > 0.8 (large) 6,164 (37.8%) —",
    "Split-half r (median) 0.863 [0.85, 0.87] IQR",
    "Max |t| 22.45 —",
]
CARD_BLOCKS = [
    "  • single[0]: max|t|=22.45, 283/768 heads at |t|>3, median |d|=0.45",
    "  • single[3]: max|t|=22.06, 389/768 heads at |t|>3, median |d|=0.61",
    "  • single[9]: max|t|=21.66, 232/768 heads at |t|>3, median |d|=0.39",
    "  • joint[3]: max|t|=20.18, 138/192 heads at |t|>3, median |d|=1.02",
    "  • joint[4]: max|t|=19.62, 131/192 heads at |t|>3, median |d|=1.01",
]


def table_of(**changes):
    figures = {
        "n_pairs": 25,
        "n_heads": 16320,
        "counts": (8263, 4614),
        "null_p99": (1333.0, 7.0),
        "ratios": (6.2, 659.0),
        "large_d": 6164,
        "split_half": (0.863, 0.85, 0.87),
        "max_abs_t": 22.45,
        "blocks": (),
    }
    return CardTable(**(figures | changes))


@pytest.fixture(scope="module")
def planted():
    """12 pairs; the first single block responds strongly, the first joint block mildly, the others in all degrees."""
    shift = np.linspace(0, 1.5, HEAD_MAP.n_runs)
    shift[HEAD_MAP.runs_of(2)] = 4.0
    shift[HEAD_MAP.runs_of(0)] = -2.0
    return noisy_run(12, shift, HEAD_MAP)


@pytest.fixture(scope="module")
def summary(planted):
    return summarise(planted, n_flips=300, n_splits=20, seed=3)


@pytest.fixture(scope="module")
def without_variance():
    """Every head of the last block rises by the same in each pair, and the block before it is silent.

    The first head is silent in one pair only.
    """
    shift = np.random.default_rng(1).normal(0, 2, HEAD_MAP.n_runs)
    result = noisy_run(8, shift, HEAD_MAP)
    result.mean_square[:, 1, ..., HEAD_MAP.runs_of(3)] = result.mean_square[:, 0, ..., HEAD_MAP.runs_of(3)]
    result.mean_square[2, 1, ..., 0] = result.mean_square[2, 0, ..., 0]
    result.mean_square[:, 1, ..., HEAD_MAP.runs_of(4)] = 2 * result.mean_square[:, 0, ..., HEAD_MAP.runs_of(4)]
    return result


# -- figures -----------------------------------------------------------------------------------


def test_figures_by_hand(planted, summary):
    d = planted.differences()
    t = d.mean(axis=0) / (d.std(axis=0, ddof=1) / np.sqrt(12))
    np.testing.assert_allclose(summary.t, t, rtol=1e-10)
    np.testing.assert_allclose(summary.dz, t / np.sqrt(12), rtol=1e-10)
    assert (summary.n_pairs, summary.n_heads) == (12, HEAD_MAP.n_runs)
    assert summary.counts == (int((abs(t) > 3).sum()), int((abs(t) > 5).sum()))
    assert summary.shares == (summary.counts[0] / HEAD_MAP.n_runs, summary.counts[1] / HEAD_MAP.n_runs)
    assert summary.large_d == (abs(t) / np.sqrt(12) > 0.8).sum()
    assert summary.max_abs_t == pytest.approx(abs(t).max(), rel=1e-10)
    assert summary.n_silent == 0


def test_signs_follow_the_planted_shift(summary):
    assert (summary.t[HEAD_MAP.runs_of(2)] > 3).all()
    assert (summary.t[HEAD_MAP.runs_of(0)] < 0).all()


def test_null_figures_are_those_of_stats(planted, summary):
    null = stats.sign_flip_null(planted.differences(), 300, (3, 5), seed=3)
    np.testing.assert_array_equal(summary.null.counts, null.counts)
    p99 = np.quantile(null.counts, 0.99, axis=0)
    assert p99[0] > 0
    assert summary.null_p99 == tuple(p99)
    assert summary.ratios[0] == summary.counts[0] / p99[0]
    assert summary.set_p == tuple(((null.counts >= summary.counts).sum(axis=0) + 1) / 301)
    ordered = np.sort(null.max_abs_t)
    assert summary.max_t_p95 == ordered[285]  # 0.95 · 299 = 284.05, and the next flip above


def test_split_half_is_median_and_quartiles(planted, summary):
    r = stats.split_half(planted.differences(), 20, seed=3)
    np.testing.assert_array_equal(summary.split_half_r, r)
    assert summary.split_half == (np.median(r), np.quantile(r, 0.25), np.quantile(r, 0.75))


@pytest.mark.parametrize(
    ("grouping", "part", "stream"), [("card", "mlp", "card"), ("head", "all", "image"), ("card", "attention", "text")]
)
def test_view_is_passed_on(grouping, part, stream):
    result = noisy_run(6, 1.0, HEAD_MAP)
    result.mean_square[:] *= np.random.default_rng(2).uniform(0.9, 1.1, result.mean_square.shape)
    found = summarise(result, grouping, part, stream, n_flips=20, n_splits=5)
    expected = stats.paired_t(result.differences(grouping, part, stream))
    np.testing.assert_array_equal(found.t, expected)
    assert found.n_heads == HEAD_MAP.n_heads(grouping, part) == sum(block.n_heads for block in found.blocks)
    assert (found.view.grouping, found.view.part, found.view.stream) == (grouping, part, stream)


def test_other_thresholds(planted):
    found = summarise(planted, n_flips=50, n_splits=5, thresholds=(1, 2.5, 4))
    assert found.thresholds == (1, 2.5, 4)
    assert found.counts == tuple(int((abs(found.t) > c).sum()) for c in (1, 2.5, 4))
    assert [row[0] for row in found.rows[:3]] == ["Heads with |t| > 1", "Heads with |t| > 2.5", "Heads with |t| > 4"]
    assert "heads at |t|>1," in found.blocks[0].line


def test_null_p99_of_zero_has_no_ratio():
    shift = np.zeros(HEAD_MAP.n_runs)
    shift[:3] = 50
    found = summarise(noisy_run(25, shift, HEAD_MAP), n_flips=100, n_splits=5, thresholds=(3, 20))
    assert found.null_p99[1] == 0
    assert found.counts[1] == 3
    assert found.ratios[1] is None
    assert found.rows[1] == ("Heads with |t| > 20", "3 (5.2%)", "null p99 = 0")


def test_without_an_effect_little_is_found():
    found = summarise(noisy_run(12, 0.0, HEAD_MAP, seed=5), n_flips=200, n_splits=20)
    assert found.set_p[0] > 0.05
    assert abs(found.split_half[0]) < 0.3


@pytest.mark.parametrize("n_done", [0, 2])
def test_fewer_than_three_pairs_are_refused(n_done):
    full = noisy_run(3, 1.0, HEAD_MAP)
    partial = ProbeResult(full.mean_square[:n_done], full.token_counts[:n_done], full.prompts, full.config, HEAD_MAP)
    with pytest.raises(InputError, match=f"at least 3 pairs; got {n_done}"):
        summarise(partial)


def test_three_pairs_have_no_split_half():
    found = summarise(noisy_run(3, 1.0, HEAD_MAP))
    assert found.split_half is None
    assert found.split_half_r.size == 0
    assert found.rows[3][:2] == ("Split-half r (median)", "not defined")
    assert found.null.exhaustive
    assert len(found.null.counts) == 8


# -- blocks ------------------------------------------------------------------------------------


def test_blocks_are_sorted_and_counted(summary):
    abs_t, abs_d = np.abs(summary.t), np.abs(summary.dz)
    assert sorted(block.name for block in summary.blocks) == sorted(HEAD_MAP.block_names)
    assert [b.max_abs_t for b in summary.blocks] == sorted((b.max_abs_t for b in summary.blocks), reverse=True)
    assert summary.blocks[0].name == "single[0]"
    for block in summary.blocks:
        runs = HEAD_MAP.runs_of(HEAD_MAP.block_names.index(block.name))
        assert block.max_abs_t == abs_t[runs].max()
        assert block.n_above == (abs_t[runs] > 3).sum()
        assert block.n_heads == runs.stop - runs.start
        assert block.median_abs_d == np.median(abs_d[runs])
    assert sum(block.n_above for block in summary.blocks) == summary.counts[0]


def test_block_line():
    assert Block("joint[1]", 3.14159, 2, 24, 0.5).line == "joint[1]: max|t|=3.14, 2/24 heads at |t|>3, median |d|=0.50"
    infinite = Block("single[7]", np.inf, 5, 24, np.inf, 2.5)
    assert infinite.line == "single[7]: max|t|=constant, 5/24 heads at |t|>2.5, median |d|=constant"


# -- heads without variance --------------------------------------------------------------------


def test_silent_and_constant_heads_are_reported(without_variance):
    found = summarise(without_variance, n_flips=500, n_splits=10)
    assert found.n_silent == 14
    assert np.isposinf(found.t[HEAD_MAP.runs_of(4)]).all()
    assert not found.t[HEAD_MAP.runs_of(3)].any()
    assert found.max_abs_t == np.inf
    assert found.rows[-1] == ("Max |t|", "constant", "—")
    assert found.blocks[0].name == "single[2]"
    assert found.blocks[-1].name == "single[1]"
    assert found.blocks[-1].n_above == 0
    assert np.isfinite(found.split_half).all()
    assert any(line.startswith("14 heads are silent") for line in found.beyond)
    assert any(
        line.startswith("Heads that change by the same amount in every pair (“constant”): 14.") for line in found.beyond
    )


@pytest.mark.parametrize("n_flips", [256, 50])
def test_infinite_t_is_json(without_variance, n_flips):
    found = summarise(without_variance, n_flips=n_flips, n_splits=10)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["max_abs_t"] is None
    assert data["blocks"][0]["max_abs_t"] is data["blocks"][0]["median_abs_d"] is None
    assert data["n_constant"] == 14
    assert data["blocks"][-1]["max_abs_t"] == 0
    assert data["counts"] == list(found.counts)


def test_all_silent_run_is_summarised():
    found = summarise(noisy_run(6, 0.0, HEAD_MAP, noise=0.0), n_flips=20, n_splits=4)
    assert (found.counts, found.ratios, found.max_abs_t) == ((0, 0), (None, None), 0.0)
    assert found.split_half is None
    assert found.n_silent == found.n_heads
    assert found.set_p == (1.0, 1.0)
    json.dumps(found.to_dict(), allow_nan=False)


def test_to_dict_holds_the_figures(summary):
    data = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    for key in ("n_pairs", "n_heads", "large_d", "max_abs_t", "max_t_p95", "n_silent"):
        assert data[key] == getattr(summary, key)
    for key in ("thresholds", "counts", "shares", "null_p99", "ratios", "split_half", "set_p"):
        assert data[key] == list(getattr(summary, key))
    assert [block["name"] for block in data["blocks"]] == [block.name for block in summary.blocks]
    assert data["view"]["n_flips"] == 300


def test_beyond_gives_the_set_level_p(summary):
    line = summary.beyond[0]
    assert "300 random flips" in line
    assert f"p = {summary.set_p[0]:.4f} at |t| > 3" in line
    assert f"max |t| {summary.max_t_p95:.2f}" in line
    assert str((np.abs(summary.t) > summary.max_t_p95).sum()) in line


# -- the card's layout -------------------------------------------------------------------------


def test_published_rows_are_the_cards():
    assert [" ".join(row) for row in load_published().table().cells] == CARD_ROWS


def test_published_blocks_are_the_cards():
    published = load_published()
    assert [f"  • {block.line}" for block in published.blocks] == CARD_BLOCKS
    assert published.text.split("Top blocks by max |t|:\n\n")[1].split("\n") == CARD_BLOCKS


def test_text_is_the_rows_aligned_and_then_the_blocks():
    lines = load_published().text.split("\n")
    assert [" ".join(line.split()) for line in lines[:6]] == CARD_ROWS
    assert len({line.index(value) for line, value in zip(lines, ["Value", "8,263", "4,614"], strict=False)}) == 1
    assert lines[6:9] == ["", "Top blocks by max |t|:", ""]


def test_text_lists_five_blocks(summary):
    blocks = tuple(Block(f"single[{i}]", 9.0 - i, 1, 2, 0.5) for i in range(8))
    assert table_of(blocks=blocks).text.count("  • ") == 5
    assert "single[4]" in table_of(blocks=blocks).text
    assert summary.text.count("  • ") == 5


def test_published_figures_are_consistent():
    published = load_published()
    assert published.n_heads == 5 * 192 + 20 * 768
    for count, p99, ratio in zip(published.counts, published.null_p99, published.ratios, strict=True):
        assert count / p99 == pytest.approx(ratio, rel=0.01)
    json.dumps(published.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("ratio", "printed"),
    [(0.04, "0.0"), (1, "1.0"), (8.7, "8.7"), (99.94, "99.9"), (99.96, "100"), (507, "507"), (1489, "1,489")],
)
def test_ratio_is_printed_as_the_family_prints_it(ratio, printed):
    rows = table_of(ratios=(6.2, ratio)).rows
    assert rows[1][2] == f"{printed}× empirical null p99"


# Ghost's card prints 15.6 % beside 2,537, which is 15.545 % of 16,320: 15.5 here.
@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (
            {
                "counts": (6399, 2537),
                "ratios": (8.7, 507.0),
                "large_d": 4128,
                "split_half": (0.833, 0.82, 0.84),
                "max_abs_t": 29.63,
            },
            [
                "6,399 (39.2%) 8.7× empirical null p99",
                "2,537 (15.5%) 507× empirical null p99",
                "4,128 (25.3%) —",
                "0.833 [0.82, 0.84] IQR",
                "29.63 —",
            ],
        ),
        (
            {"counts": (10846, 7445), "ratios": (7.6, 1489.0), "large_d": 9136},
            [
                "10,846 (66.5%) 7.6× empirical null p99",
                "7,445 (45.6%) 1,489× empirical null p99",
                "9,136 (56.0%) —",
            ],
        ),
        (
            {"counts": (3221, 509), "ratios": (6.4, 102.0)},
            ["3,221 (19.7%) 6.4× empirical null p99", "509 (3.1%) 102× empirical null p99"],
        ),
    ],
    ids=["ghost", "ray", "moral"],
)
def test_family_figures(figures, expected):
    rows = table_of(**figures).rows[: len(expected)]
    assert [" ".join(row[1:]) for row in rows] == expected


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"n_pairs": 25}', "\x00"])
def test_damaged_published_figures_are_refused(tmp_path, text):
    path = tmp_path / "published.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"published\.json does not hold a card's published figures"):
        load_published(path)


def test_missing_published_figures_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json does not hold"):
        load_published(tmp_path / "gone.json")
