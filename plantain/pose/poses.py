"""Posebox's poses: the skeleton of each, by name."""

from typing import Any

from plantain.pose.skeleton import Limb, Pose

DOWN: Limb = ((4, 0), (4, 0))
FORWARD: Limb = ((90, 90), (90, 90))
WIDE: Limb = ((24, 0), (24, 0))
V: Limb = ((140, 0), (140, 0))


def _pose(name: str, *, arms: Limb | None = None, legs: Limb | None = None, **more: Any) -> Pose:
    """A pose; ``arms`` and ``legs`` are alike on both sides."""
    for limb, both in (("arm", arms), ("leg", legs)):
        if both is not None:
            more |= {f"left_{limb}": both, f"right_{limb}": both}
    return Pose(name, **more)


POSES = {
    pose.name: pose
    for pose in (
        # canonical
        Pose("t-pose", canonical=True),
        _pose("a-pose", canonical=True, arms=((42, 0), (42, 0))),
        _pose("flexed-neutral", canonical=True, arms=((30, 0), (100, 40)), legs=((32, 10), (22, 200))),
        # expressive, most joints bent
        Pose(
            "lunge-reach",
            turn=70,
            left_leg=((78, 90), (0, 0)),
            right_leg=((52, -90), (52, -90)),
            right_arm=FORWARD,
            left_arm=DOWN,
        ),
        Pose(
            "throw-back",
            turn=60,
            lower_trunk=(-20, 0),
            upper_trunk=(-34, 0),
            left_leg=((58, 90), (58, 90)),
            right_arm=((120, -60), (150, 150)),
            left_arm=((100, 90), (100, 90)),
        ),
        Pose(
            "high-kick",
            turn=70,
            right_leg=((122, 90), (122, 90)),
            left_arm=FORWARD,
            right_arm=((40, -90), (40, -90)),
        ),
        _pose(
            "crouch-cover",
            turn=50,
            lower_trunk=(30, 0),
            upper_trunk=(62, 0),
            head=(20, 0),
            legs=((105, 80), (25, -90)),
            arms=((110, 80), (165, 160)),
        ),
        _pose(
            "twist-wrap",
            turn=10,
            twist=45,
            legs=WIDE,
            upper_trunk=(0, 6),
            right_arm=((40, 40), (95, 165)),
            left_arm=((35, -30), (70, 220)),
        ),
        Pose(
            "kneel-raise",
            turn=60,
            right_leg=((0, 0), (88, -90)),
            left_leg=((85, 90), (0, 0)),
            left_arm=((178, 0), (178, 0)),
            right_arm=DOWN,
        ),
        Pose(
            "run-stride",
            turn=65,
            left_leg=((85, 90), (12, -90)),
            right_leg=((48, -90), (60, -90)),
            left_arm=((45, -90), (55, 90)),
            right_arm=((45, 90), (120, 90)),
        ),
        _pose("archer-draw", legs=WIDE, left_arm=((125, 0), (125, 0)), right_arm=((88, 0), (100, 172))),
        _pose(
            "curl-sit",
            turn=75,
            lower_trunk=(12, 0),
            upper_trunk=(48, 0),
            head=(18, 0),
            legs=((138, 90), (18, 90)),
            arms=((50, 90), (85, 120)),
        ),
        Pose(
            "leap-split",
            turn=75,
            left_leg=((78, 90), (78, 90)),
            right_leg=((78, -90), (78, -90)),
            left_arm=((145, 90), (145, 90)),
            right_arm=((145, -90), (145, -90)),
            above_ground=0.38,
        ),
        Pose(
            "hip-point",
            turn=0,
            lower_trunk=(0, -22),
            upper_trunk=(0, 14),
            right_leg=((30, 10), (12, 190)),
            right_arm=((176, 0), (176, 0)),
            left_arm=((50, 0), (75, 178)),
        ),
        Pose(
            "boxer-punch",
            turn=70,
            left_leg=((48, 90), (20, -90)),
            right_leg=((30, -60), (60, -90)),
            left_arm=FORWARD,
            right_arm=((30, 90), (160, 90)),
        ),
        _pose("toe-circle", right_leg=((62, 0), (52, 180)), arms=((140, 0), (140, 180))),
        _pose(
            "tilt-glide",
            turn=75,
            lower_trunk=(62, 0),
            upper_trunk=(66, 0),
            head=(-30, 0),
            right_leg=((92, -90), (92, -90)),
            arms=((70, -90), (70, -90)),
        ),
        Pose(
            "lean-back",
            turn=60,
            lower_trunk=(-14, 0),
            upper_trunk=(-42, 0),
            left_arm=((45, -40), (60, 120)),
            right_arm=((160, -90), (160, -90)),
        ),
        _pose("deep-bow", turn=75, lower_trunk=(70, 0), upper_trunk=(82, 0), head=(6, 0), arms=DOWN),
        Pose(
            "march-salute",
            turn=30,
            left_leg=((95, 90), (3, 90)),
            right_arm=((92, 0), (138, 165)),
            left_arm=DOWN,
        ),
        _pose(
            "chair-think",
            turn=60,
            legs=((88, 90), (2, 90)),
            left_arm=((20, 90), (70, 90)),
            right_arm=((40, 90), (150, 110)),
            seat=True,
        ),
        _pose("one-leg", turn=55, right_leg=((4, -90), (118, -90)), arms=DOWN),
        _pose("floor-palms", legs=((78, 25), (72, 165)), arms=((128, 0), (152, 180))),
        _pose(
            "squat-forward", turn=65, legs=((72, 80), (20, -90)), arms=FORWARD, lower_trunk=(12, 0), upper_trunk=(6, 0)
        ),
        Pose(
            "side-arch",
            turn=0,
            lower_trunk=(0, -18),
            upper_trunk=(0, -46),
            left_arm=((150, 0), (130, 180)),
            right_arm=((48, 0), (70, 178)),
        ),
        _pose(
            "stoop-brace",
            turn=15,
            lower_trunk=(35, 0),
            upper_trunk=(58, 0),
            legs=((42, 20), (18, 190)),
            arms=((62, 0), (42, 168)),
        ),
        _pose(
            "bat-swing", legs=((38, 10), (22, 190)), right_arm=((60, 0), (160, 60)), left_arm=((75, 150), (128, 178))
        ),
        _pose("neck-hands", legs=WIDE, arms=((98, 0), (120, 185))),
        # expressive, few joints bent
        Pose("arm-up", right_arm=((176, 0), (176, 0))),
        _pose("star-legs", legs=((34, 0), (34, 0))),
        Pose("windmill", left_arm=((142, 0), (142, 0)), right_arm=((38, 0), (38, 0))),
        _pose("victory-v", arms=V),
        Pose("side-kick", right_leg=((88, 0), (88, 0))),
        Pose("sway", lower_trunk=(0, 26), upper_trunk=(0, 34)),
        Pose("sky-point", left_arm=((172, 0), (172, 0)), right_leg=((52, 0), (52, 0))),
        Pose(
            "long-stride",
            turn=45,
            left_leg=((42, 90), (42, 90)),
            right_leg=((42, -90), (42, -90)),
            left_arm=((92, 90), (92, 90)),
        ),
    )
}
