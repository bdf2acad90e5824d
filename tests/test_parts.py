"""Parts of a body: capsules where geometry says, exact shares on any grid, and what two pictures do not share."""

import numpy as np
import pytest

from plantain.errors import InputError
from plantain.pose.parts import PARTS, area_means, draw_parts, moved, part_distances, token_shares
from plantain.pose.poses import POSES
from plantain.posebox.truth import capsules
from plantain.posebox.world.figure import Figure
from plantain.posebox.world.scene import Scene

GRIDS = [(8, 8), (16, 16), (5, 7)]
# A capsule's area counted in pixels, against its formula: edges are whole pixels.
AREA_TOLERANCE = 0.03
HEAD, TRUNK, LEFT_FOREARM = PARTS.index("head"), PARTS.index("trunk"), PARTS.index("left forearm")


def drawn(pose, **look):
    points, widths, depth = capsules(Figure.of(Scene(pose=pose, **look)))
    return draw_parts(points, widths, 128, depth)


@pytest.mark.parametrize(("a", "b"), [((20, 30), (90, 30)), ((64, 20), (64, 100)), ((20, 30), (80, 110))])
def test_a_capsule_has_the_area_of_its_formula(a, b):
    labels = draw_parts({"left elbow": a, "left hand": b}, {"left forearm": 14}, 128)
    assert set(np.unique(labels)) == {-1, LEFT_FOREARM}
    length = np.hypot(b[0] - a[0], b[1] - a[1])
    assert (labels >= 0).sum() == pytest.approx(14 * length + np.pi * 7**2, rel=AREA_TOLERANCE)


def test_a_head_is_a_disc_about_its_middle():
    labels = draw_parts({"head": (40, 70)}, {"head": 20}, (128, 96))
    rows, columns = np.nonzero(labels == HEAD)
    assert labels.shape == (128, 96)
    assert labels.dtype == np.int8
    assert len(rows) == pytest.approx(np.pi * 10**2, rel=AREA_TOLERANCE)
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], [40, 70], atol=1e-6)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("pose", POSES)
def test_parts_add_up_to_the_body(pose, grid):
    labels = drawn(pose)
    shares = token_shares(labels, grid)
    assert shares.shape == (*grid, len(PARTS))
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=-1), area_means(labels >= 0, grid), atol=1e-6)
    np.testing.assert_allclose(shares.mean(axis=(0, 1)), [(labels == k).mean() for k in range(10)], atol=1e-6)


def test_shares_of_a_grid_that_divides_are_plain_means():
    labels = drawn("windmill")
    blocks = (labels == TRUNK).reshape(8, 16, 8, 16).mean(axis=(1, 3))
    np.testing.assert_allclose(token_shares(labels, (8, 8))[..., TRUNK], blocks, atol=1e-6)


def test_a_pixel_across_two_tokens_counts_with_its_area():
    # Three pixels in two tokens: the middle one lies half in each.
    np.testing.assert_allclose(area_means(np.array([[0.0, 1.0, 0.0]]), (1, 2)), [[1 / 3, 1 / 3]], atol=1e-6)
    np.testing.assert_allclose(area_means(np.array([[3.0], [0.0], [0.0]]), (2, 1)), [[2], [0]], atol=1e-6)
    fine = np.random.default_rng(0).random((12, 15))
    coarse = area_means(fine, (5, 7))
    by_hand = np.repeat(np.repeat(fine, 5, 0), 7, 1).reshape(5, 12, 7, 15).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse, by_hand, atol=1e-6)


@pytest.mark.parametrize("pose", ["archer-draw", "high-kick", "windmill"])
def test_a_mirrored_pose_has_left_and_right_swapped(pose):
    points, widths, depth = capsules(Figure.of(Scene(pose=pose)))

    def other(name):
        sides = {"left": "right", "right": "left"}
        return " ".join(sides.get(word, word) for word in name.split())

    mirrored = draw_parts(
        {other(name): (128 - point[0], point[1]) for name, point in points.items()},
        {other(part): width for part, width in widths.items()},
        128,
        {other(part): near for part, near in depth.items()},
    )
    swapped = np.array([PARTS.index(other(part)) for part in PARTS] + [-1])
    np.testing.assert_array_equal(mirrored[:, ::-1], swapped[draw_parts(points, widths, 128, depth)])


def test_the_nearer_covers_the_farther():
    points = {"neck": (64, 30), "chest": (64, 60), "hips": (64, 90), "left elbow": (40, 60), "left hand": (90, 60)}
    widths = {"trunk": 20, "left forearm": 8}
    assert draw_parts(points, widths, 128)[60, 64] == LEFT_FOREARM
    for near, on_top in ((1.0, LEFT_FOREARM), (-1.0, TRUNK)):
        assert draw_parts(points, widths, 128, {"trunk": 0.0, "left forearm": near})[60, 64] == on_top


def test_what_is_unknown_or_outside_is_not_drawn():
    forearm = {"left forearm": 8}
    assert (draw_parts({"left elbow": (20, 20), "left hand": (np.nan, 3)}, forearm, 128) == -1).all()
    assert (draw_parts({"left elbow": (20, 20)}, forearm, 128) == -1).all()
    assert (draw_parts({"left elbow": (200, 20), "left hand": (300, 40)}, forearm, 128) == -1).all()
    cut = draw_parts({"left elbow": (120, 64), "left hand": (300, 64)}, forearm, 128)
    assert set(np.unique(np.nonzero(cut >= 0)[1])) == set(range(116, 128))
    assert np.isinf(part_distances({}, forearm, 16)).all()


@pytest.mark.parametrize("grid", GRIDS)
def test_moved_is_what_exactly_one_picture_shows(grid):
    a, b = drawn("t-pose") >= 0, drawn("arm-up") >= 0
    np.testing.assert_allclose(moved(a, b, grid), area_means(a ^ b, grid), atol=1e-6)
    assert moved(a, a, grid).max() == 0
    np.testing.assert_array_equal(moved(a, b, grid), moved(b, a, grid))


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(InputError, match="no part 'tail'"):
        draw_parts({}, {"tail": 3}, 128)
    with pytest.raises(InputError, match="at least one pixel"):
        draw_parts({}, {}, (0, 128))
    with pytest.raises(InputError, match="lacks 'head'"):
        draw_parts({"head": (40, 70)}, {"head": 20}, 128, {"trunk": 0})
    with pytest.raises(InputError, match="at least as fine"):
        token_shares(np.full((4, 4), -1), (8, 8))
    with pytest.raises(InputError, match="of one size"):
        moved(np.zeros((4, 4)), np.zeros((4, 5)), (2, 2))
