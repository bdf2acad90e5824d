"""What Posebox is trained on, and what is kept from it."""

import zlib
from collections.abc import Iterable
from functools import cache

import numpy as np

from plantain.data.prompts import load_prompts
from plantain.pose.poses import POSES
from plantain.posebox.words.reading import read
from plantain.posebox.words.vocabulary import asides, write
from plantain.posebox.words.wordings import ASIDES, WORDINGS
from plantain.posebox.world.looks import BOTTOMS, BUILDS, COLOURS, HEIGHTS, SUBJECTS, TOPS
from plantain.posebox.world.places import SETTINGS
from plantain.posebox.world.scene import Scene

# One in so many combinations is held out by its name.
_HELD_OUT = 4


def held_out(scene: Scene) -> bool:
    """Whether training never shows this combination of subject, setting and pose.

    Held out: every subject in the setting that ``dense_pose`` gives it, in every pose, so that all 50
    prompts of ``dense_pose`` and of sets on the same subjects and settings are new to the model; and a
    quarter of all other combinations, chosen by a checksum of their names. What is drawn where a prompt is
    silent about pose or setting is not held out, since such prompts are trained on.
    """
    if scene.setting == _own_setting().get(scene.subject):
        return True
    if scene.pose == Scene().pose or scene.setting == Scene().setting:
        return False
    return zlib.crc32(f"{scene.subject}|{scene.setting}|{scene.pose}".encode()) % _HELD_OUT == 0


def random_scene(rng: np.random.Generator, held: bool = False) -> Scene:
    """A scene with everything drawn at random, among the held-out combinations or the others."""
    while True:
        scene = Scene(
            subject=_one(rng, SUBJECTS),
            height=_one(rng, HEIGHTS),
            build=_one(rng, BUILDS),
            top=_one(rng, TOPS),
            top_colour=_one(rng, COLOURS),
            bottom=_one(rng, BOTTOMS),
            bottom_colour=_one(rng, COLOURS),
            hat=_one(rng, COLOURS) if rng.random() < 0.3 else None,
            pose=_one(rng, POSES),
            setting=_one(rng, SETTINGS),
        )
        if held_out(scene) == held:
            return scene


def random_prompt(rng: np.random.Generator, scene: Scene) -> str:
    """A prompt that says all of a scene: any wording of the pose, any name of the setting, sometimes a remark."""
    wordings = WORDINGS[scene.pose]
    if rng.random() >= 0.15:  # mostly a long one
        wordings = tuple(wording for wording in wordings if len(wording) > 45)
    names = SETTINGS[scene.setting].words
    name = names[0] if rng.random() < 0.9 else _one(rng, names)
    aside = asides(_one(rng, ASIDES), rng) if rng.random() < 0.1 else None
    return write(scene, _one(rng, wordings), name, aside=aside)


def silence(rng: np.random.Generator, scene: Scene) -> tuple[Scene, str]:
    """A scene of which some parts are defaults, and a prompt that is silent about them."""
    parts = {"body", "clothes", "pose", "setting"}
    silent = {part for part in sorted(parts) if rng.random() < 0.4}
    aside = asides(_one(rng, ASIDES), rng) if rng.random() < 0.4 else None
    prompt = write(scene, _one(rng, WORDINGS[scene.pose]), _one(rng, SETTINGS[scene.setting].words), silent, aside)
    return read(prompt).scene, prompt


def _one(rng: np.random.Generator, options: Iterable[str]) -> str:
    among = tuple(options)
    return among[rng.integers(len(among))]


@cache
def _own_setting() -> dict[str, str]:
    scenes = [read(text).scene for text in load_prompts("dense_pose").prompts]
    return {scene.subject: scene.setting for scene in scenes}
