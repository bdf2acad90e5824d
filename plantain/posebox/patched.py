"""What a patched picture of Posebox's world shows: whose pose, and whether anything but the pose has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from plantain.data.patching import DRAWN
from plantain.data.prompts import PromptSet
from plantain.errors import InputError
from plantain.pose.poses import POSES
from plantain.posebox.proof import judge, nearest_of
from plantain.posebox.words.reading import read
from plantain.posebox.world.render import render

Judge = Callable[[int, int, np.ndarray], np.ndarray]
"""Pair, side that was patched (0: A), picture -> ``DRAWN``, float32 (5,)."""


@dataclass(frozen=True)
class Seen:
    """What a picture of one prompt, patched with another's run, shows."""

    nearest: str  # the pose whose render is nearest, by name
    turned: bool  # nearer to the donor's render than to its own
    pose: bool  # the nearest pose is the donor's
    setting: bool  # the place is the one that was said
    clothes: bool  # and so are the colours
    distance: float  # degrees a joint from the donor's pose


def rendered_pairs(prompts: PromptSet) -> np.ndarray:
    """Both sides of every pair as the renderer draws its words: uint8, (n_pairs, 2, 128, 128, 3).

    >>> rendered_pairs(plantain.load_prompts("dense_pose")).shape

    Raises InputError: a prompt that Posebox cannot draw as it is said.
    """
    pictures = []
    for text in prompts.prompts:
        reading = read(text)
        if strange := (*reading.unknown, *reading.conflicts):
            raise InputError(f"Posebox cannot draw {strange[0]!r} in {text!r}; leave that pair out.")
        pictures.append(render(reading.scene))
    return np.stack(pictures).reshape(len(prompts), 2, *pictures[0].shape)


def judge_patched(prompts: PromptSet) -> Judge:
    """What judges patched pictures of these prompts, by ``judge`` and by which side's render is nearer.

    >>> judge_patched(prompts)(0, 0, picture)                    # of the first pair's A, patched with its B
    """

    def verdict(pair: int, side: int, picture: np.ndarray) -> np.ndarray:
        one = prompts.pairs[pair]
        seen = see(picture, *((one.a, one.b) if side == 0 else (one.b, one.a)))
        return np.array([float(getattr(seen, name)) for name in DRAWN], np.float32)

    return verdict


def see(picture: np.ndarray, own_prompt: str, donor_prompt: str) -> Seen:
    """The same of one picture, in words, with the pose that it is nearest to.

    >>> see(picture, pair.a, pair.b).nearest
    """
    own, donor = (read(text).scene for text in (own_prompt, donor_prompt))
    found = judge(picture, own_prompt, own)
    # Clothes and place are read where the figure stands now, not where it was said to.
    as_it_stands = found if found.pose == own.pose else judge(picture, own_prompt, replace(own, pose=found.pose))
    off = np.abs(POSES[found.pose].rotations() - donor.skeleton.rotations()).mean()
    return Seen(
        nearest=found.pose,
        turned=nearest_of(picture, [own, donor]) == 1,
        pose=found.pose == donor.pose,
        setting=as_it_stands.right["setting"],
        clothes=as_it_stands.right["clothing"],
        distance=float(off),
    )
