"""Figures: what they say in words is what the run holds, and they stay small and readable at any size of model."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_runs import KLEIN, SMALL, made_run, noisy_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import plantain
from plantain.paths import RUNS
from plantain.questions.response import load_published, summarise
from plantain.questions.thresholds import count_curve
from plantain.report.figures import response as figures
from plantain.report.picture import NARROW, WIDE, style

SVG = "{http://www.w3.org/2000/svg}"
WIDTHS = pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
PHONE = 343  # CSS pixels that a telephone of 375 leaves between its margins


@pytest.fixture(scope="module")
def result():
    return plantain.load_result(RUNS / "posebox")


@pytest.fixture(scope="module")
def twin_result():
    return plantain.load_result(RUNS / "posebox-untrained")


@pytest.fixture(scope="module")
def summary(result):
    return summarise(result)


@pytest.fixture(scope="module")
def twin(twin_result):
    return summarise(twin_result)


@pytest.fixture(scope="module")
def klein():
    """A run of Klein's size, 16,320 card heads, with an effect in all degrees."""
    return noisy_run(25, np.random.default_rng(1).normal(0, 1.2, KLEIN.n_runs), KLEIN)


def pictures_of(result, summary, twin_result, twin, width):
    block = result.head_map.table()["block_index"]
    names = result.head_map.block_names
    abs_t = [np.abs(summary.t[block == i]) for i in range(len(names))]
    return {
        "overview": figures.overview(summary, result.head_map, "A title\nA: one; B: other", twin, width),
        "alone": figures.overview(summary, result.head_map, width=width),
        "null": figures.null_counts(count_curve(result, summary), count_curve(twin_result, twin), width),
        "split": figures.split_half(summary, twin, width),
        "maxima": figures.block_maxima(load_published(), "Published", width),
        "pair": figures.pair_over_reference(abs_t, abs_t, names, "yours", "cached", width=width),
        "seeds": figures.pair_over_reference([40 * t for t in abs_t], abs_t, names, "yours", "cached", width=width),
        "scatter": figures.t_against_t(summary.t, twin.t, "posebox", "twin", width),
    }


def texts_of(picture):
    root = ET.fromstring(picture.to_svg())
    return root, list(root.iter(f"{SVG}text"))


@WIDTHS
def test_every_figure_is_small_and_its_text_readable(result, summary, twin_result, twin, width):
    for name, picture in pictures_of(result, summary, twin_result, twin, width).items():
        root, texts = texts_of(picture)
        assert len(picture.to_svg()) < 150_000, name
        shown = (PHONE if width == NARROW else 900) / float(root.get("viewBox").split()[2])
        assert texts, name
        for text in texts:
            size = float(re.search(r"font-size: ([\d.]+)px", text.get("style"))[1])
            assert size * shown >= 7 * 96 / 72, (name, "".join(text.itertext()))


@WIDTHS
def test_text_stays_inside_the_picture(result, summary, twin_result, twin, klein, width):
    drawn = pictures_of(result, summary, twin_result, twin, width)
    large, title = summarise(klein, n_flips=100), "black-forest-labs/FLUX.2-klein-base-4B: " * 4
    drawn["klein"] = figures.overview(large, klein.head_map, title, None, width)
    drawn["klein null"] = figures.null_counts(count_curve(klein, large), width=width)
    for name, picture in drawn.items():
        renderer = FigureCanvasAgg(picture.figure).get_renderer()
        with style():
            picture.figure.draw(renderer)
        w, h = picture.figure.get_size_inches() * picture.figure.dpi
        # Ticks beyond an axis's limits are made and not drawn.
        ticks = {t for axes in picture.figure.axes for t in (*axes.get_xticklabels(), *axes.get_yticklabels())}
        for text in set(picture.figure.findobj(Text)) - ticks:
            box = text.get_window_extent(renderer)
            if text.get_text() and text.get_visible():
                assert box.x0 >= -1 and box.x1 <= w + 1, (name, text.get_text())  # noqa: PT018
                assert box.y0 >= -1 and box.y1 <= h + 1, (name, text.get_text())  # noqa: PT018


@WIDTHS
def test_klein_fits_the_page(klein, width):
    summary = summarise(klein, n_flips=50)
    assert summary.n_heads == 16_320
    for picture in (
        figures.overview(summary, klein.head_map, "Klein", summary, width),
        figures.null_counts(count_curve(klein, summary), width=width),
        figures.t_against_t(summary.t, summary.t[::-1], "a", "b", width),
    ):
        assert len(picture.to_svg()) < 400_000
        assert len(picture.to_bytes("pdf")) < 400_000
        assert ET.fromstring(picture.to_svg()) is not None


def test_overview_says_counts_null_and_twin(result, summary, twin):
    alt = figures.overview(summary, result.head_map, twin=twin).alt
    assert "269 of 510 heads (52.7 %) at |t| > 3, 241 of them larger for B" in alt
    assert (summary.t > 3).sum() == 241
    assert f"99 % of 1,000 sign flips give at most {summary.null_p99[0]:.0f}" in alt
    assert "The untrained twin has 167 (32.7 %)" in alt
    assert "twin" not in figures.overview(summary, result.head_map).alt
    assert summary.blocks[0].name in alt


def test_overview_names_the_parts_and_the_sides(result, summary):
    def words(picture):
        return ["".join(text.itertext()) for text in texts_of(picture)[1]]

    card = words(figures.overview(summary, result.head_map, "a title"))
    for word in (
        "attention",
        "MLP",
        "joint blocks:",
        "A larger",
        "B larger",
        "t of B − A",
        "3",
        "5",
        "a title",
        "single[19]",
    ):
        assert word in card, word
    heads = words(figures.overview(summarise(result, "head"), result.head_map))
    assert "attention" in heads
    assert "MLP" not in heads
    mlp = words(figures.overview(summarise(result, part="mlp"), result.head_map))
    assert "MLP" in mlp
    assert "attention" not in mlp
    assert "joint[0]" not in mlp
    assert "single[0]" in mlp


def test_the_map_is_empty_where_a_block_has_no_head(result, summary):
    picture = figures.overview(summary, result.head_map)
    cells = next(np.asarray(a.images[0].get_array()) for a in picture.figure.axes if a.images)
    assert cells.shape == (25, 24, 4)
    assert not cells[:5, 6:, 3].any()
    assert cells[5:, 6:, 3].mean() > 20
    t = summary.t[result.head_map.runs_of(5)]
    limit = max(5, np.quantile(np.abs(summary.t), 0.995))
    np.testing.assert_allclose(cells[5, :, 3], 255 * np.clip(np.abs(t) / limit, 0, 1), atol=0.51)


def test_null_counts_says_both_thresholds(result, summary, twin_result, twin):
    curves = count_curve(result, summary), count_curve(twin_result, twin)
    alt = figures.null_counts(*curves).alt
    assert f"at |t| > 3, 269 of 510 against {summary.null_p99[0]:.0f}, untrained twin 167" in alt
    assert f"at |t| > 5, 109 of 510 against {summary.null_p99[1]:.0f}, untrained twin 48" in alt


def test_split_half_says_the_medians(summary, twin):
    alt = figures.split_half(summary, twin).alt
    assert f"this run, median {summary.split_half[0]:.3f} over 100" in alt
    assert f"untrained twin, median {twin.split_half[0]:.3f}" in alt


def test_published_maxima_say_the_cards_numbers():
    alt = figures.block_maxima(load_published()).alt
    assert "single[0] with 22.45; single[3] with 22.06" in alt


def test_a_typed_pair_counts_both_and_turns_logarithmic_where_t_is_huge():
    small, huge = [np.array([1.0, 4, 6]), np.array([0.5, 2])], [np.array([1.0, 4, 800]), np.array([0.5, 2])]
    linear = figures.pair_over_reference(small, None, ["joint[0]", "single[0]"], "yours")
    assert linear.figure.axes[0].get_xscale() == "linear"
    assert "of 5 heads 2 at |t| > 3, 1 at |t| > 5; largest in joint[0] (6.0)" in linear.alt
    wide = figures.pair_over_reference(huge, small, ["joint[0]", "single[0]"], "yours", "cached")
    assert wide.figure.axes[0].get_xscale() == "symlog"
    assert "In grey, cached: of 5 heads 2 at |t| > 3" in wide.alt
    constant = figures.pair_over_reference([np.array([np.inf, np.inf])], None, ["joint[0]"], "yours")
    assert constant.to_bytes()


def test_t_against_t_says_r_and_the_quadrants(summary, twin):
    r = np.corrcoef(summary.t, twin.t)[0, 1]
    alt = figures.t_against_t(summary.t, twin.t, "posebox", "twin").alt
    assert f"r = {figures.signed(r, 3)}" in alt
    same = ((np.minimum(summary.t, twin.t) > 3) | (np.maximum(summary.t, twin.t) < -3)).sum()
    assert f"{same} heads lie beyond 3 in both" in alt
    assert "r is not defined" in figures.t_against_t(np.zeros(5), np.ones(5), "a", "b").alt


def test_a_run_without_any_variance_is_drawn():
    result = made_run(np.zeros((5, SMALL.n_runs)))
    summary = summarise(result)
    for picture in (
        figures.overview(summary, SMALL, twin=summary),
        figures.null_counts(count_curve(result, summary)),
        figures.split_half(summary, summary),
    ):
        assert picture.to_svg().startswith("<svg ")
    assert "not defined" in figures.split_half(summary).alt
