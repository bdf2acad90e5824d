"""Bodies as Posebox's words say them: from the scene's skeleton and the renderer's own outline, without a model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from plantain.data.bodies import Bodies, check_bodies, leave_out, stack_bodies
from plantain.data.figures import Figures
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.model.names import EMBEDDED, EMBEDDED_MODELS
from plantain.pose.keypoints import coco_points
from plantain.pose.parts import PARTS, area_means, draw_parts, part_distances
from plantain.pose.parts import moved as share_moved
from plantain.posebox.words.reading import read
from plantain.posebox.world.figure import SIZE, Figure
from plantain.posebox.world.render import draw
from plantain.posebox.world.scene import Scene

SOURCE = "rendered from the words"
# How much canonical figures vary: size, turn about the vertical in degrees, and how far their feet leave the floor
# line, upwards and downwards, in pixels: they still stand on the ground.
SCALES, TURNS, LIFTS = (0.75, 1.05), (-60.0, 60.0), (-10.0, 6.0)
# The least number of pixels between a figure and the picture's edge, which nothing of it may touch.
_MARGIN = 1
# A limb is set off by an edge, which is drawn this much wider.
_EDGE = 1.6


@dataclass(frozen=True)
class CanonicalFigures:
    """The A side of every pair, drawn at several places, sizes and turns.

    Attributes
    ----------
    pictures : uint8 array, shape (n_pairs, n_variants, 128, 128, 3)
    parts : float32 array, shape (n_pairs, n_variants, rows, columns, 10)
    body : float32 array, shape (n_pairs, n_variants, rows, columns)
    placed : float64 array, shape (n_pairs, n_variants, 4)
        Pixels to the right and down, scale, and turn in degrees.
    """

    pictures: np.ndarray
    parts: np.ndarray
    body: np.ndarray
    placed: np.ndarray


def draws_its_world(pipe: Any) -> bool:
    """Whether a pipeline draws Posebox's world, whose bodies its words tell: an embedded model or one that was trained
    as it was, or a twin of one.

    >>> draws_its_world(plantain.load_pipeline("posebox"))
    True
    """
    source = getattr(pipe, "plantain_source", {})
    name = str(source.get("model", ""))
    of_its_own = any(name == known or name.startswith(f"{known}-") for known in EMBEDDED_MODELS)
    return of_its_own or source.get("world") == EMBEDDED


def bodies_of(prompts: PromptSet, grid: tuple[int, int], size: int = SIZE) -> Bodies:
    """The bodies that a prompt set's words say, as Posebox renders them.

    >>> bodies = bodies_of(plantain.load_prompts("dense_pose"), (8, 8))
    >>> bodies.parts[0, 0, :, :, PARTS.index("head")]

    ``grid`` is (rows, columns) of tokens; ``size`` the side of the pictures, in whose pixels ``points`` are. A prompt
    with words that Posebox does not know, or that contradict one another, is not found and named in ``notes``. The
    body is the figure with clothes, hair, hat and shoes, without a stool.

    Raises
    ------
    InputError
        A grid finer than 128 × 128, or below 1 × 1; a size below 1.
    """
    if size < 1:
        raise InputError(f"A picture has at least one pixel each way; got {size}.")
    maps, outlines, reasons = [], [], {}
    for i, text in enumerate(prompts.prompts):
        reading = read(text)
        strange = (*reading.unknown, *reading.conflicts)
        if strange:
            reasons[i // 2, i % 2] = f"Posebox cannot draw {', '.join(repr(word) for word in strange[:5])}"
        _, labels, mask = figure(reading.scene)
        points = coco_points(Figure.of(reading.scene).at)
        points[:, :2] *= size / SIZE
        maps.append((_shares(labels, mask, grid), area_means(mask, grid), points))
        outlines.append(mask)
    moved = [share_moved(a, b, grid) for a, b in zip(outlines[::2], outlines[1::2], strict=True)]
    bodies = stack_bodies(maps, moved, SOURCE, (size, size))
    ids = [pair.id for pair in prompts.pairs]
    return check_bodies(leave_out(bodies, ids, reasons), ids)


def figure(
    scene: Scene, shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0, turn: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scene's picture, which part each of its pixels shows, and how much of each is body.

    >>> picture, labels, mask = figure(read("a robot in a T-pose").scene, shift=(10, 0), scale=0.8, turn=30)

    The picture is uint8, (128, 128, 3); labels int8, (128, 128), an index into ``PARTS`` wherever there is body and -1
    elsewhere; the mask float32, (128, 128), in 0 … 1. ``shift`` is in pixels to the right and down, ``scale`` about
    0.75 to 1.1 of the size that the words say, ``turn`` in degrees about the vertical, to the viewer's right.

    The mask is the renderer's own, the parts the skeleton's capsules at the renderer's widths, in the order in which
    it paints. What no capsule covers (a hat, a coat's hem) belongs to the nearest.
    """
    picture, masks = draw(scene, shift, scale, turn)
    mask = np.clip(masks["figure"] - masks["prop"], 0, 1)
    points, widths, depth = capsules(Figure.of(scene, shift, scale, turn))
    labels = draw_parts(points, widths, SIZE, depth)
    nearest = part_distances(points, widths, SIZE).argmin(axis=0)
    return picture, np.where(mask > 0, np.where(labels >= 0, labels, nearest), -1).astype(np.int8), mask


def capsules(placed: Figure) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, float]]:
    """A figure as ``draw_parts`` takes it: joints in pixels, widths in pixels, and what lies over what.

    >>> draw_parts(*capsules(Figure.of(scene))[:2], SIZE)
    """
    widths = {"head": 2 * placed.head, "trunk": placed.trunk + _EDGE}
    depth: dict[str, float] = {}
    for rank, (part, side) in enumerate(placed.from_back_to_front()):
        if not side:
            depth[part] = rank
            continue
        # The lower half last, as a sleeve's or a trouser leg's end is seen.
        upper, lower = (f"{side} {half}" for half in (("thigh", "shin") if part == "leg" else ("upper arm", "forearm")))
        depth |= {upper: rank, lower: rank + 0.5}
        widths |= dict.fromkeys((upper, lower), (placed.leg if part == "leg" else placed.arm) + _EDGE)
    return placed.at, widths, depth


def canonical_figures(prompts: PromptSet, n_variants: int, seed: int, grid: tuple[int, int]) -> CanonicalFigures:
    """The A side of every pair, rendered at ``n_variants`` random places, sizes and turns, with its parts on a grid.

    >>> drawn = canonical_figures(plantain.load_prompts("dense_pose"), 8, seed=0, grid=(8, 8))
    >>> drawn.pictures.shape, drawn.parts.shape
    ((25, 8, 128, 128, 3), (25, 8, 8, 8, 10))

    In the pair's own T-pose a part *is* a place; here it is not. Scale is uniform in 0.75 … 1.05, turn in −60 … 60
    degrees, the shift to the side in all that keeps the figure in the frame, the shift up or down within −10 … 6
    pixels, where it still stands on the ground. No figure is cut off. The setting stays.

    Raises
    ------
    InputError
        An A side that Posebox cannot draw as it is said, fewer than one variant, a negative seed, or a grid as
        ``bodies_of`` refuses it.
    """
    if n_variants < 1 or seed < 0:
        raise InputError(f"Give at least one variant and a seed of 0 or more; got {n_variants} and {seed}.")
    rng = np.random.default_rng(seed)
    lead = (len(prompts), n_variants)
    pictures = np.zeros((*lead, SIZE, SIZE, 3), np.uint8)
    parts = np.zeros((*lead, *grid, len(PARTS)), np.float32)
    body, placed = np.zeros((*lead, *grid), np.float32), np.zeros((*lead, 4))
    for i, pair in enumerate(prompts.pairs):
        reading = read(pair.a)
        strange = (*reading.unknown, *reading.conflicts)
        if strange:
            raise InputError(f"Posebox cannot draw {strange[0]!r} in A of pair {pair.id!r}; leave that pair out.")
        for j in range(n_variants):
            dx, dy, scale, turn = placed[i, j] = _somewhere(rng, reading.scene)
            pictures[i, j], labels, mask = figure(reading.scene, (dx, dy), scale, turn)
            parts[i, j], body[i, j] = _shares(labels, mask, grid), area_means(mask, grid)
    return CanonicalFigures(pictures, parts, body, placed)


def _somewhere(rng: np.random.Generator, scene: Scene) -> tuple[float, float, float, float]:
    """A random shift (right, down), scale and turn, at which the whole figure is in the frame."""
    scale, turn = rng.uniform(*SCALES), rng.uniform(*TURNS)
    mask = draw(scene, (0.0, 0.0), scale, turn)[1]["figure"] > 0
    (top, bottom), (left, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    room = SIZE - 1 - _MARGIN
    dx = rng.uniform(_MARGIN - left, room - right)
    dy = rng.uniform(max(_MARGIN - top, LIFTS[0]), min(room - bottom, LIFTS[1]))
    return float(dx), float(dy), float(scale), float(turn)


def _shares(labels: np.ndarray, mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Shares of each part, (rows, columns, 10), that add up to the mask's."""
    return area_means((labels[..., None] == np.arange(len(PARTS))) * mask[..., None], grid)


def figures_of(prompts: PromptSet, grid: tuple[int, int], n_variants: int = 4, seed: int = 0) -> Figures:
    """What a code's decoders are fitted on and read on: ``canonical_figures`` of every A, and every B where it stands.

    >>> figures = figures_of(plantain.load_prompts("dense_pose"), (8, 8))

    Raises InputError as ``canonical_figures``, for either side.
    """
    drawn, pictures, parts, body = canonical_figures(prompts, n_variants, seed, grid), [], [], []
    for pair in prompts.pairs:
        reading = read(pair.b)
        strange = (*reading.unknown, *reading.conflicts)
        if strange:
            raise InputError(f"Posebox cannot draw {strange[0]!r} in B of pair {pair.id!r}; leave that pair out.")
        picture, labels, mask = figure(reading.scene)
        pictures.append(picture)
        parts.append(_shares(labels, mask, grid))
        body.append(area_means(mask, grid))
    source = f"rendered, {n_variants} canonical figures a pair of varied place, turn and size (seed {seed})"
    expressive = np.stack(pictures), np.stack(parts), np.stack(body)
    return Figures(drawn.pictures, drawn.parts, drawn.body, *expressive, source)
