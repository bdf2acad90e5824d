"""Bodies: rendered truth lies in the figure, what cannot be is left out by name, canonical figures vary."""

from dataclasses import replace

import numpy as np
import pytest

import plantain
from plantain.data.bodies import Bodies, check_bodies
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.pose.parts import PARTS, draw_parts
from plantain.pose.poses import POSES
from plantain.posebox.truth import SCALES, TURNS, bodies_of, canonical_figures, capsules, figure
from plantain.posebox.words.reading import read
from plantain.posebox.world.figure import Figure
from plantain.posebox.world.render import draw, render
from plantain.posebox.world.scene import Scene

DENSE = plantain.load_prompts("dense_pose")
IDS = [pair.id for pair in DENSE.pairs]
# Capsules have no shoes, hats or hair; these bounds are what was seen (0.901 and 0.935), less a margin.
LEAST_OVERLAP, MEAN_OVERLAP = 0.88, 0.92


@pytest.fixture(scope="module")
def dense():
    return bodies_of(DENSE, (8, 8))


# -- rendered from the words -----------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(8, 8), (16, 16), (5, 7)])
def test_every_shipped_body_is_found_and_adds_up(grid):
    bodies = bodies_of(DENSE, grid)
    assert bodies.grid == grid
    assert bodies.usable.all()
    assert bodies.notes == ()
    assert bodies.parts.dtype == bodies.body.dtype == bodies.moved.dtype == bodies.points.dtype == np.float32
    np.testing.assert_allclose(bodies.parts.sum(axis=-1), bodies.body, atol=1e-6)


def test_body_and_moved_are_the_renderers_own_mask(dense):
    for i in (0, 7, 24):
        masks = [draw(read(text).scene)[1] for text in (DENSE.pairs[i].a, DENSE.pairs[i].b)]
        a, b = (mask["figure"] - mask["prop"] for mask in masks)
        blocks = np.abs(a - b).reshape(8, 16, 8, 16).mean(axis=(1, 3))
        np.testing.assert_allclose(dense.moved[i], blocks, atol=1e-6)
        np.testing.assert_allclose(dense.body[i, 0], a.reshape(8, 16, 8, 16).mean(axis=(1, 3)), atol=1e-6)


def test_capsules_cover_the_figure_in_every_pose():
    overlaps = []
    for pose in POSES:
        scene = Scene(pose=pose)
        points, widths, depth = capsules(Figure.of(scene))
        mask = figure(scene)[2] > 0.5
        body = draw_parts(points, widths, 128, depth) >= 0
        overlaps.append((body & mask).sum() / (body | mask).sum())
    assert min(overlaps) > LEAST_OVERLAP
    assert np.mean(overlaps) > MEAN_OVERLAP


@pytest.mark.parametrize("pose", POSES)
def test_every_pixel_of_the_figure_is_some_part_and_no_other_is(pose):
    picture, labels, mask = figure(Scene(pose=pose, hat="red", top="coat"))
    np.testing.assert_array_equal(labels >= 0, mask > 0)
    assert picture.tobytes() == render(Scene(pose=pose, hat="red", top="coat")).tobytes()


def test_parts_have_the_colours_of_what_is_there():
    picture, labels, _ = figure(
        Scene(top="jacket", top_colour="red", bottom_colour="blue", hat="yellow", pose="t-pose")
    )
    for part, colour in (("trunk", "red"), ("left forearm", "red"), ("right shin", "blue"), ("left thigh", "blue")):
        red, _, blue = np.median(picture[labels == PARTS.index(part)], axis=0)
        assert (red > blue) == (colour == "red"), part
    # The body's left is on the viewer's right.
    x = {part: np.nonzero(labels == k)[1].mean() for k, part in enumerate(PARTS)}
    assert x["left forearm"] > x["left upper arm"] > x["trunk"] > x["right upper arm"] > x["right forearm"]
    assert x["left shin"] > x["right shin"]


def test_a_stool_is_no_body():
    _, masks = draw(Scene(pose="chair-think"))
    assert masks["prop"].sum() > 10
    _, _, mask = figure(Scene(pose="chair-think"))
    assert mask[masks["prop"] == 1].max() == 0
    assert mask.sum() == pytest.approx(masks["figure"].sum() - masks["prop"].sum(), rel=1e-4)


def test_words_that_posebox_does_not_know_are_left_out_by_name():
    prompts = PromptSet.from_pairs(
        [
            ("a robot in a T-pose", "a goalkeeper in a T-pose"),
            ("a tall robot in a T-pose", "a tall robot kneeling"),
            ("a tall short robot", "a robot"),
        ]
    )
    bodies = bodies_of(prompts, (8, 8))
    np.testing.assert_array_equal(bodies.found, [[True, False], [True, True], [False, True]])
    np.testing.assert_array_equal(bodies.usable, [False, True, False])
    assert bodies.notes == (
        "Pair 'pair-01', B: Posebox cannot draw 'goalkeeper'; it is left out.",
        "Pair 'pair-03', A: Posebox cannot draw 'short'; it is left out.",
    )
    assert bodies.parts[0, 1].max() == bodies.body[0, 1].max() == bodies.moved[0].max() == 0
    assert np.isnan(bodies.points[0, 1]).all()
    assert bodies.body[0, 0].max() > 0
    assert bodies.moved[1].max() > 0.5


def test_points_are_in_pixels_of_the_pictures(dense):
    np.testing.assert_allclose(bodies_of(DENSE, (8, 8), 256).points[..., :2], 2 * dense.points[..., :2], rtol=1e-6)
    assert dense.size == (128, 128)


# -- what cannot be --------------------------------------------------------------------------------


def spoiled(bodies, **change):
    return replace(bodies, **{name: value(getattr(bodies, name).copy()) for name, value in change.items()})


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"parts": put((2, 1), 0)}, "do not add up"),
        ({"parts": put((2, 1, 0, 0, 0), np.nan)}, "shares of parts are no numbers"),
        ({"body": put((2, 1, 0, 0), 1.4)}, "shares of body are no numbers"),
        ({"body": put((2, 1), 0), "parts": put((2, 1), 0)}, "covers 0.0 % of the frame"),
        ({"body": put((2, 1), 1), "parts": put((2, 1), 0.1)}, "covers 100.0 % of the frame"),
        ({"points": put((2, 1, 9, 0), 140.0)}, "outside the frame"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_that_cannot_be_is_left_out_by_name(dense, change, why):
    checked = check_bodies(spoiled(dense, **change), IDS)
    assert not checked.found[2, 1]
    assert checked.found.sum() == dense.found.sum() - 1
    assert checked.parts[2, 1].max() == checked.body[2, 1].max() == checked.moved[2].max() == 0
    assert len(checked.notes) == 1
    assert checked.notes[0].startswith(f"Pair '{IDS[2]}', B: ")
    assert why in checked.notes[0]


def test_a_plausible_body_stays_as_it_is(dense):
    checked = check_bodies(dense, IDS)
    for name in ("parts", "body", "moved", "found", "points"):
        np.testing.assert_array_equal(getattr(checked, name), getattr(dense, name))


def test_arrays_that_do_not_belong_together_are_refused(dense):
    with pytest.raises(InputError, match="body of bodies must be"):
        replace(dense, body=dense.body[:3])
    with pytest.raises(InputError, match="got 3 ids for 25"):
        check_bodies(dense, IDS[:3])
    with pytest.raises(InputError, match="must be"):
        Bodies(*(np.zeros(0) for _ in range(5)), source="")


# -- canonical figures of varied place, size and turn ----------------------------------------------


def test_moved_scaled_and_turned_by_nothing_is_the_same_picture():
    for pose in ("t-pose", "chair-think", "leap-split"):
        scene = Scene(pose=pose, hat="red")
        assert figure(scene, (0.0, 0.0), 1.0, 0.0)[0].tobytes() == render(scene).tobytes()


def test_a_figure_moves_shrinks_and_turns():
    scene = Scene(pose="t-pose")
    at = {
        name: figure(scene, **how)[2] for name, how in {"": {}, "small": {"scale": 0.8}, "side": {"turn": 60}}.items()
    }
    tall = {name: np.ptp(np.nonzero(mask > 0.5)[0]) for name, mask in at.items()}
    wide = {name: np.ptp(np.nonzero(mask > 0.5)[1]) for name, mask in at.items()}
    assert tall["small"] / tall[""] == pytest.approx(0.8, abs=0.03)
    assert wide["small"] / wide[""] == pytest.approx(0.8, abs=0.03)
    assert wide["side"] / wide[""] == pytest.approx(0.5, abs=0.08)
    np.testing.assert_array_equal(figure(scene, (5, -3))[2], np.roll(at[""], (-3, 5), axis=(0, 1)))


def test_canonical_figures_vary_and_stay_whole():
    drawn = canonical_figures(DENSE, 3, seed=1, grid=(8, 8))
    assert (drawn.pictures.shape, drawn.pictures.dtype) == ((25, 3, 128, 128, 3), np.uint8)
    assert drawn.parts.shape == (25, 3, 8, 8, 10)
    np.testing.assert_allclose(drawn.parts.sum(axis=-1), drawn.body, atol=1e-6)
    shift, scale, turn = drawn.placed[..., :2], drawn.placed[..., 2], drawn.placed[..., 3]
    assert SCALES[0] <= scale.min() < scale.max() <= SCALES[1]
    assert TURNS[0] <= turn.min() < turn.max() <= TURNS[1]
    assert shift[..., 0].std() > 8
    for i, j in np.ndindex(25, 3):
        scene = read(DENSE.pairs[i].a).scene
        picture, labels, mask = figure(scene, drawn.placed[i, j, :2], *drawn.placed[i, j, 2:])
        assert picture.tobytes() == drawn.pictures[i, j].tobytes()
        assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0
        assert set(range(10)) <= set(np.unique(labels)), "every part is seen"


def test_canonical_figures_come_from_their_seed():
    first, again, other = (canonical_figures(DENSE, 1, seed, (8, 8)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert (first.placed != other.placed).any()


def test_canonical_figures_refuse_what_cannot_be_drawn():
    unknown = PromptSet.from_pairs([("a goalkeeper in a T-pose", "a robot")])
    with pytest.raises(InputError, match="'goalkeeper' in A of pair 'pair-01'"):
        canonical_figures(unknown, 1, 0, (8, 8))
    with pytest.raises(InputError, match="at least one variant"):
        canonical_figures(DENSE, 0, 0, (8, 8))
