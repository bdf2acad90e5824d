"""Whether a trained Posebox draws what it is told, measured on its pixels against rendered truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from plantain.data.prompts import PromptSet, load_prompts
from plantain.errors import InputError
from plantain.model.identity import describe
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS
from plantain.model.text import call_arguments
from plantain.pose.poses import POSES
from plantain.posebox.training.corpus import random_prompt, random_scene
from plantain.posebox.words.reading import read
from plantain.posebox.world.figure import SIZE
from plantain.posebox.world.looks import COLOURS
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.render import background, draw, render
from plantain.posebox.world.scene import Scene

# A figure drawn in the right pose, but some pixels off its place, is not in a wrong pose.
MAX_SHIFT = 4
# A garment of which fewer pixels can be seen has no colour to measure.
_MIN_PIXELS = 12
# The share of prompts that must pass, and of each single pose's.
REQUIRED = {"pose": 0.95, "each pose": 0.80, "canonical": 0.98, "setting": 0.95, "clothing": 0.95}


@dataclass(frozen=True)
class Verdict:
    """What the pixels of one drawn picture say."""

    prompt: str
    scene: Scene
    pose: str  # the pose whose rendered truth is nearest
    canonical: bool  # whether the nearest pose is a canonical one
    setting: str  # the nearest setting, away from the figure
    colours: dict[str, tuple[str, str]]  # garment: (colour said, nearest colour drawn), where enough is seen

    @property
    def right(self) -> dict[str, bool]:
        return {
            "pose": self.pose == self.scene.pose,
            "canonical": self.canonical == self.scene.skeleton.canonical,
            "setting": self.setting == self.scene.setting,
            "clothing": all(said == drawn for said, drawn in self.colours.values()),
        }

    def mistake(self) -> dict[str, Any]:
        """What is wrong, and what was seen, as plain JSON values."""
        return {
            "prompt": self.prompt,
            "wrong": [what for what, right in self.right.items() if not right],
            "pose": self.pose,
            "setting": self.setting,
            "colours": {garment: list(pair) for garment, pair in self.colours.items()},
        }


def judge(picture: np.ndarray, prompt: str, scene: Scene) -> Verdict:
    """Read pose, setting and colours off a picture, uint8 (128, 128, 3).

    Pose: of all poses of the same scene, the one whose render has the least mean absolute pixel difference, over
    shifts of up to 4 pixels. Setting: of all empty settings, the nearest where the scene's figure is not. Colour of a
    garment: the nearest to the median of the pixels that it fills in the render, moved by the best shift.
    """
    renders = _every_pose(replace(scene, pose=next(iter(POSES))))
    distances, shifts = _nearest(picture, renders)
    pose = list(POSES)[int(np.argmin(distances))]
    dy, dx = shifts[list(POSES).index(scene.pose)]
    moved = np.roll(picture, (-dy, -dx), axis=(0, 1)).astype(np.int16)

    _, masks = draw(scene)
    away = np.ones(picture.shape[:2], bool)
    rows, columns = np.nonzero(masks["figure"] > 0)
    for y in range(-MAX_SHIFT, MAX_SHIFT + 1):
        for x in range(-MAX_SHIFT, MAX_SHIFT + 1):
            away[np.clip(rows + y, 0, 127), np.clip(columns + x, 0, 127)] = False
    empty = {name: background(name).astype(np.int16) for name in SETTINGS}
    setting = min(empty, key=lambda name: np.abs(picture[away].astype(np.int16) - empty[name][away]).mean())

    said = {"top": scene.top_colour, "bottom": scene.bottom_colour, "hat": scene.hat}
    colours = {}
    for garment, colour in said.items():
        inside = masks[garment] > 0.95
        if colour and inside.sum() >= _MIN_PIXELS:
            seen = np.median(moved[inside], axis=0)
            nearest = min(COLOURS, key=lambda name: float(np.abs(seen - np.array(COLOURS[name])).sum()))
            colours[garment] = (colour, nearest)
    return Verdict(prompt, scene, pose, POSES[pose].canonical, setting, colours)


def judge_pairs(pictures: np.ndarray, prompts: PromptSet) -> np.ndarray:
    """Whether each picture of a prompt set shows a T-pose, by the nearest of all rendered poses of its scene.

    >>> drawn(judge_pairs(pictures, prompts), judge="the renderer")      # pictures: (n_pairs, 2, 128, 128, 3)

    An object array of True and False, (n_pairs, 2); None for a prompt that Posebox cannot draw as it is said.

    Raises
    ------
    InputError
        Pictures of another shape, or not uint8.
    """
    wanted = (len(prompts), 2, SIZE, SIZE, 3)
    if pictures.shape != wanted or pictures.dtype != np.uint8:
        raise InputError(f"Pictures must be uint8, {wanted}; got {pictures.dtype}, {pictures.shape}.")
    found = np.full(wanted[:2], None, object)
    for i, text in enumerate(prompts.prompts):
        reading = read(text)
        if not (reading.unknown or reading.conflicts):
            found[i // 2, i % 2] = judge(pictures[i // 2, i % 2], text, reading.scene).pose == "t-pose"
    return found


def held_out_prompts(rng: np.random.Generator, per_pose: int) -> list[str]:
    """Prompts on combinations of subject, setting and pose that training never saw, as many of each pose."""
    prompts = []
    for pose in POSES:
        for _ in range(per_pose):
            scene = random_scene(rng, held=True)
            while scene.pose != pose:
                scene = random_scene(rng, held=True)
            prompts.append(random_prompt(rng, scene))
    return prompts


def draw_pictures(
    pipe: Any, prompts: Sequence[str], seed: int = 0, report: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Posebox's pictures of prompts, each from a noise of its own: uint8, (n, 128, 128, 3)."""
    drawn: list[np.ndarray] = []
    for start in range(0, len(prompts), 16):
        some = list(prompts[start : start + 16])
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(some))]
        images = pipe(
            prompt=some,
            generator=generators,
            num_inference_steps=DRAW_STEPS,
            guidance_scale=DRAW_GUIDANCE,
            **call_arguments(pipe),
        ).images
        drawn += [np.asarray(image) for image in images]
        if report:
            report(len(drawn), len(prompts))
    return np.stack(drawn)


def prove(
    pipe: Any, per_pose: int = 10, seed: int = 0, report: Callable[[int, int], None] | None = None
) -> tuple[dict[str, Any], list[Verdict], np.ndarray]:
    """Draw and judge the 50 prompts of ``dense_pose`` and ``per_pose`` held-out prompts a pose.

    >>> found, verdicts, pictures = prove(plantain.load_pipeline("posebox"))

    ``found`` holds the shares that are right in each group, for each pose, what is required, whether it holds, and the
    mistakes. Not measured: subject, height, build, kinds of garment, and a hat where none is said.

    Raises
    ------
    InputError
        The pipeline draws at another size, ``per_pose`` is below 1, or the seed is negative.
    """
    size = pipe.vae.config.sample_size
    if size != SIZE:
        raise InputError(f"Posebox's world is drawn at {SIZE} pixels a side, and this pipeline draws at {size}.")
    if per_pose < 1:
        raise InputError(f"At least one held-out prompt of each pose is needed; got {per_pose}.")
    if seed < 0:
        raise InputError(f"The seed must be 0 or more; got {seed}.")
    dense_pose = load_prompts("dense_pose").prompts
    prompts = [*dense_pose, *held_out_prompts(np.random.default_rng(seed), per_pose)]
    pictures = draw_pictures(pipe, prompts, seed, report)
    verdicts = [judge(picture, prompt, read(prompt).scene) for picture, prompt in zip(pictures, prompts, strict=True)]
    parts = {"dense_pose": verdicts[: len(dense_pose)], "held_out": verdicts[len(dense_pose) :]}
    by_pose = {pose: float(np.mean([v.right["pose"] for v in verdicts if v.scene.pose == pose])) for pose in POSES}
    shares = {
        name: {"n": len(some)} | {what: float(np.mean([v.right[what] for v in some])) for what in verdicts[0].right}
        for name, some in parts.items()
    }
    holds = (
        all(share >= REQUIRED[what] for group in shares.values() for what, share in group.items() if what in REQUIRED)
        and min(by_pose.values()) >= REQUIRED["each pose"]
    )
    known = describe(pipe)
    found = {
        "model": known["model"],
        "weights_fingerprint": known["weights_fingerprint"],
        "draw": {"num_inference_steps": DRAW_STEPS, "guidance_scale": DRAW_GUIDANCE, "seed": seed},
        "required": REQUIRED,
        "holds": holds,
        "shares": shares,
        "pose_share_by_pose": by_pose,
        "mistakes": [v.mistake() for v in verdicts if not all(v.right.values())],
    }
    return found, verdicts, pictures


def contact_sheet(verdicts: Sequence[Verdict], pictures: np.ndarray, columns: int = 9) -> np.ndarray:
    """Rendered truth above, drawn below, one of each pose: uint8, (height, width, 3)."""
    first = {v.scene.pose: i for i, v in reversed(list(enumerate(verdicts)))}
    chosen = [first[pose] for pose in POSES if pose in first]
    blank = np.full((256, 128, 3), 255, np.uint8)
    cells = [np.concatenate([render(verdicts[i].scene), pictures[i]]) for i in chosen]
    cells += [blank] * (-len(cells) % columns)
    bands = []
    for at in range(0, len(cells), columns):
        bands.append(np.concatenate(cells[at : at + columns], axis=1))
        bands.append(np.full((6, 128 * columns, 3), 255, np.uint8))
    return np.concatenate(bands[:-1])


@lru_cache(maxsize=64)
def _every_pose(scene: Scene) -> np.ndarray:
    """A scene rendered in all poses, in the order of ``POSES``: what many pictures of it are held against."""
    renders = np.stack([render(replace(scene, pose=pose)) for pose in POSES])
    renders.setflags(write=False)
    return renders


def nearest_of(picture: np.ndarray, scenes: Sequence[Scene]) -> int:
    """Which scene's render a picture is nearest to, by the mean absolute pixel difference over small shifts.

    >>> nearest_of(picture, [read(pair.a).scene, read(pair.b).scene])
    """
    distances, _ = _nearest(picture, np.stack([render(scene) for scene in scenes]))
    return int(np.argmin(distances))


def _nearest(picture: np.ndarray, renders: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """For each render its least distance over shifts, and that shift (down, right)."""
    m = MAX_SHIFT
    moves = [(dy, dx) for dy in range(-m, m + 1) for dx in range(-m, m + 1)]
    inner = renders[:, m:-m, m:-m]
    height, width = inner.shape[1:3]
    windows = np.stack([picture[m + dy : m + dy + height, m + dx : m + dx + width] for dy, dx in moves])
    # Sums of whole numbers below 2**24, which float32 holds exactly.
    wanted, seen = (torch.from_numpy(some.reshape(len(some), -1).astype(np.float32)) for some in (inner, windows))
    distance = torch.cdist(wanted, seen, p=1.0).numpy() / wanted.shape[1]  # (renders, moves)
    best = distance.argmin(axis=1)
    return distance[np.arange(len(renders)), best].astype(np.float64), [moves[i] for i in best]
