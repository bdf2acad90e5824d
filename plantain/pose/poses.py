"""Posebox's poses: the skeleton of each, by name."""

from typing import Any

from plantain.pose.skeleton import Limb, Pose


def _straight(lift: float, swing: float = 0) -> Limb:
    return (lift, swing), (lift, swing)


def _pose(name: str, *, arms: Limb | None = None, legs: Limb | None = None, **more: Any) -> Pose:
    """A pose; ``arms`` and ``legs`` are alike on both sides."""
    for limb, both in (("arm", arms), ("leg", legs)):
        if both is not None:
            more |= {f"left_{limb}": both, f"right_{limb}": both}
    return Pose(name, **more)


DOWN, FORWARD, WIDE = _straight(4), _straight(90, 90), _straight(24)

# fmt: off
POSES = {
    pose.name: pose
    for pose in (
        # canonical
        _pose("t-pose", canonical=True),
        _pose("a-pose", canonical=True, arms=_straight(42)),
        _pose("flexed-neutral", canonical=True, arms=((30, 0), (100, 40)), legs=((32, 10), (22, 200))),
        # expressive, most joints bent
        _pose("lunge-reach", turn=70,
              left_arm=DOWN, right_arm=FORWARD, left_leg=((78, 90), (0, 0)), right_leg=_straight(52, -90)),
        _pose("throw-back", turn=60, lower_trunk=(-20, 0), upper_trunk=(-34, 0),
              left_arm=_straight(100, 90), right_arm=((120, -60), (150, 150)), left_leg=_straight(58, 90)),
        _pose("high-kick", turn=70, left_arm=FORWARD, right_arm=_straight(40, -90), right_leg=_straight(122, 90)),
        _pose("crouch-cover", turn=50, lower_trunk=(30, 0), upper_trunk=(62, 0), head=(20, 0),
              arms=((110, 80), (165, 160)), legs=((105, 80), (25, -90))),
        _pose("twist-wrap", turn=10, twist=45, upper_trunk=(0, 6),
              legs=WIDE, left_arm=((35, -30), (70, 220)), right_arm=((40, 40), (95, 165))),
        _pose("kneel-raise", turn=60,
              left_arm=_straight(178), right_arm=DOWN, left_leg=((85, 90), (0, 0)), right_leg=((0, 0), (88, -90))),
        _pose("run-stride", turn=65, left_arm=((45, -90), (55, 90)), right_arm=((45, 90), (120, 90)),
              left_leg=((85, 90), (12, -90)), right_leg=((48, -90), (60, -90))),
        _pose("archer-draw", legs=WIDE, left_arm=_straight(125), right_arm=((88, 0), (100, 172))),
        _pose("curl-sit", turn=75, lower_trunk=(12, 0), upper_trunk=(48, 0), head=(18, 0),
              arms=((50, 90), (85, 120)), legs=((138, 90), (18, 90))),
        _pose("leap-split", turn=75, above_ground=0.38, left_arm=_straight(145, 90), right_arm=_straight(145, -90),
              left_leg=_straight(78, 90), right_leg=_straight(78, -90)),
        _pose("hip-point", lower_trunk=(0, -22), upper_trunk=(0, 14),
              left_arm=((50, 0), (75, 178)), right_arm=_straight(176), right_leg=((30, 10), (12, 190))),
        _pose("boxer-punch", turn=70, left_arm=FORWARD, right_arm=((30, 90), (160, 90)),
              left_leg=((48, 90), (20, -90)), right_leg=((30, -60), (60, -90))),
        _pose("toe-circle", arms=((140, 0), (140, 180)), right_leg=((62, 0), (52, 180))),
        _pose("tilt-glide", turn=75, lower_trunk=(62, 0), upper_trunk=(66, 0), head=(-30, 0),
              arms=_straight(70, -90), right_leg=_straight(92, -90)),
        _pose("lean-back", turn=60, lower_trunk=(-14, 0), upper_trunk=(-42, 0),
              left_arm=((45, -40), (60, 120)), right_arm=_straight(160, -90)),
        _pose("deep-bow", turn=75, lower_trunk=(70, 0), upper_trunk=(82, 0), head=(6, 0), arms=DOWN),
        _pose("march-salute", turn=30, left_arm=DOWN, right_arm=((92, 0), (138, 165)), left_leg=((95, 90), (3, 90))),
        _pose("chair-think", turn=60, seat=True,
              legs=((88, 90), (2, 90)), left_arm=((20, 90), (70, 90)), right_arm=((40, 90), (150, 110))),
        _pose("one-leg", turn=55, arms=DOWN, right_leg=((4, -90), (118, -90))),
        _pose("floor-palms", arms=((128, 0), (152, 180)), legs=((78, 25), (72, 165))),
        _pose("squat-forward", turn=65, lower_trunk=(12, 0), upper_trunk=(6, 0),
              arms=FORWARD, legs=((72, 80), (20, -90))),
        _pose("side-arch", lower_trunk=(0, -18), upper_trunk=(0, -46),
              left_arm=((150, 0), (130, 180)), right_arm=((48, 0), (70, 178))),
        _pose("stoop-brace", turn=15, lower_trunk=(35, 0), upper_trunk=(58, 0),
              arms=((62, 0), (42, 168)), legs=((42, 20), (18, 190))),
        _pose("bat-swing", legs=((38, 10), (22, 190)),
              left_arm=((75, 150), (128, 178)), right_arm=((60, 0), (160, 60))),
        _pose("neck-hands", arms=((98, 0), (120, 185)), legs=WIDE),
        # expressive, few joints bent
        _pose("arm-up", right_arm=_straight(176)),
        _pose("star-legs", legs=_straight(34)),
        _pose("windmill", left_arm=_straight(142), right_arm=_straight(38)),
        _pose("victory-v", arms=_straight(140)),
        _pose("side-kick", right_leg=_straight(88)),
        _pose("sway", lower_trunk=(0, 26), upper_trunk=(0, 34)),
        _pose("sky-point", left_arm=_straight(172), right_leg=_straight(52)),
        _pose("long-stride", turn=45,
              left_arm=_straight(92, 90), left_leg=_straight(42, 90), right_leg=_straight(42, -90)),
    )
}
