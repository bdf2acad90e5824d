"""A scene: everything that Posebox's words can say about a picture."""

from dataclasses import dataclass

from plantain.pose.poses import POSES
from plantain.pose.skeleton import Pose


@dataclass(frozen=True)
class Scene:
    """What a picture shows; the defaults are what is drawn where a prompt is silent."""

    subject: str = "person"
    height: str = "average height"
    build: str = "slender"
    top: str = "shirt"
    top_colour: str = "grey"
    bottom: str = "trousers"
    bottom_colour: str = "black"
    hat: str | None = None  # its colour
    pose: str = "a-pose"
    setting: str = "studio"

    @property
    def skeleton(self) -> Pose:
        """The pose truth: angles, bent joints, canonical or not."""
        return POSES[self.pose]
