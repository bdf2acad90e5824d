"""Posebox's poses: the skeleton of each, and the wordings that name it.

The first wording of an expressive pose is the one in ``prompts/dense_pose.json``. Long wordings have
18 words and two marks, so that any two of them make a pair of equal length; short ones are for typing.
"""

from __future__ import annotations

from plantain.posebox.skeleton import Limb, Pose

DOWN: Limb = ((4, 0), (4, 0))
FORWARD: Limb = ((90, 90), (90, 90))
WIDE: Limb = ((24, 0), (24, 0))
V: Limb = ((140, 0), (140, 0))

POSES = {
    pose.name: pose
    for pose in (
        # canonical
        Pose("t-pose", canonical=True),
        Pose("a-pose", canonical=True, left_arm=((42, 0), (42, 0)), right_arm=((42, 0), (42, 0))),
        Pose(
            "flexed-neutral",
            canonical=True,
            left_arm=((30, 0), (100, 40)),
            right_arm=((30, 0), (100, 40)),
            left_leg=((32, 10), (22, 200)),
            right_leg=((32, 10), (22, 200)),
        ),
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
        Pose(
            "crouch-cover",
            turn=50,
            lower_trunk=(30, 0),
            upper_trunk=(62, 0),
            head=(20, 0),
            left_leg=((105, 80), (25, -90)),
            right_leg=((105, 80), (25, -90)),
            left_arm=((110, 80), (165, 160)),
            right_arm=((110, 80), (165, 160)),
        ),
        Pose(
            "twist-wrap",
            turn=10,
            twist=45,
            left_leg=WIDE,
            right_leg=WIDE,
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
        Pose(
            "archer-draw",
            turn=0,
            left_leg=WIDE,
            right_leg=WIDE,
            left_arm=((125, 0), (125, 0)),
            right_arm=((88, 0), (100, 172)),
        ),
        Pose(
            "curl-sit",
            turn=75,
            lower_trunk=(12, 0),
            upper_trunk=(48, 0),
            head=(18, 0),
            left_leg=((138, 90), (18, 90)),
            right_leg=((138, 90), (18, 90)),
            left_arm=((50, 90), (85, 120)),
            right_arm=((50, 90), (85, 120)),
        ),
        Pose(
            "leap-split",
            turn=75,
            left_leg=((78, 90), (78, 90)),
            right_leg=((78, -90), (78, -90)),
            left_arm=((145, 90), (145, 90)),
            right_arm=((145, -90), (145, -90)),
            above_ground=0.42,
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
        Pose(
            "toe-circle",
            turn=0,
            right_leg=((62, 0), (52, 180)),
            left_arm=((140, 0), (140, 180)),
            right_arm=((140, 0), (140, 180)),
        ),
        Pose(
            "tilt-glide",
            turn=75,
            lower_trunk=(62, 0),
            upper_trunk=(66, 0),
            head=(-30, 0),
            right_leg=((92, -90), (92, -90)),
            left_arm=((70, -90), (70, -90)),
            right_arm=((70, -90), (70, -90)),
        ),
        Pose(
            "lean-back",
            turn=60,
            lower_trunk=(-14, 0),
            upper_trunk=(-42, 0),
            left_arm=((45, -40), (60, 120)),
            right_arm=((160, -90), (160, -90)),
        ),
        Pose(
            "deep-bow", turn=75, lower_trunk=(70, 0), upper_trunk=(82, 0), head=(6, 0), left_arm=DOWN, right_arm=DOWN
        ),
        Pose(
            "march-salute",
            turn=30,
            left_leg=((95, 90), (3, 90)),
            right_arm=((92, 0), (138, 165)),
            left_arm=DOWN,
        ),
        Pose(
            "chair-think",
            turn=60,
            left_leg=((88, 90), (2, 90)),
            right_leg=((88, 90), (2, 90)),
            left_arm=((20, 90), (70, 90)),
            right_arm=((40, 90), (150, 110)),
            seat=True,
        ),
        Pose("one-leg", turn=55, right_leg=((4, -90), (118, -90)), left_arm=DOWN, right_arm=DOWN),
        Pose(
            "floor-palms",
            turn=0,
            left_leg=((78, 25), (72, 165)),
            right_leg=((78, 25), (72, 165)),
            left_arm=((128, 0), (152, 180)),
            right_arm=((128, 0), (152, 180)),
        ),
        Pose(
            "squat-forward",
            turn=65,
            left_leg=((72, 80), (20, -90)),
            right_leg=((72, 80), (20, -90)),
            left_arm=FORWARD,
            right_arm=FORWARD,
            lower_trunk=(12, 0),
            upper_trunk=(6, 0),
        ),
        Pose(
            "side-arch",
            turn=0,
            lower_trunk=(0, -18),
            upper_trunk=(0, -46),
            left_arm=((150, 0), (130, 180)),
            right_arm=((48, 0), (70, 178)),
        ),
        Pose(
            "stoop-brace",
            turn=15,
            lower_trunk=(35, 0),
            upper_trunk=(58, 0),
            left_leg=((42, 20), (18, 190)),
            right_leg=((42, 20), (18, 190)),
            left_arm=((62, 0), (42, 168)),
            right_arm=((62, 0), (42, 168)),
        ),
        Pose(
            "bat-swing",
            turn=0,
            left_leg=((38, 10), (22, 190)),
            right_leg=((38, 10), (22, 190)),
            right_arm=((60, 0), (160, 60)),
            left_arm=((75, 150), (128, 178)),
        ),
        Pose(
            "neck-hands",
            turn=0,
            left_leg=WIDE,
            right_leg=WIDE,
            left_arm=((98, 0), (120, 185)),
            right_arm=((98, 0), (120, 185)),
        ),
        # expressive, few joints bent
        Pose("arm-up", right_arm=((176, 0), (176, 0))),
        Pose("star-legs", left_leg=((34, 0), (34, 0)), right_leg=((34, 0), (34, 0))),
        Pose("windmill", left_arm=((142, 0), (142, 0)), right_arm=((38, 0), (38, 0))),
        Pose("victory-v", left_arm=V, right_arm=V),
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

T_POSE = (
    "standing in a T-pose with arms straight out sideways at shoulder height, legs together and head level",
    "facing the viewer upright in a T-shape, each arm extended sideways at shoulder level and feet touching",
    "upright and cross-like from the front, both arms stretched horizontally left and right above straight "
    "closed legs",
    "planted scarecrow-like on straight closed legs, elbows locked and hands reaching far sideways level with "
    "both shoulders",
    "keeping a symmetrical T-form with torso vertical and knees together, both arms spread level from the shoulders",
    "forming a letter T in front-facing view, arms level from fingertip to fingertip above straight joined legs",
    "erect with stiff arms jutting sideways and right-angled to the trunk, heels together and eyes facing forward",
    "fixed in the plain reference T-pose, arms forming one level line and legs forming one vertical line",
    "standing straight with feet joined, rod-like arms pointing level to the left and level to the right",
    "legs straight and ankles together under an upright back, fully extended arms held shoulder-high on either side",
)

WORDINGS: dict[str, tuple[str, ...]] = {
    "t-pose": (*T_POSE, "standing in a T-pose", "in a T-pose", "with both arms straight out sideways"),
    "a-pose": (
        "standing in an A-pose with both arms straight and slanted down sideways, legs together and head level",
        "facing the viewer upright in an A-shape, each arm sloping halfway down sideways and both feet touching",
        "upright and tent-like from the front, both arms slanting left and right halfway below straight closed shoulders",
        "planted pyramid-like on straight closed legs, elbows locked and hands reaching down sideways midway "
        "beside both hips",
        "keeping a symmetrical A-form with torso vertical and knees together, both arms sloped down from the shoulders",
        "forming a letter A in front-facing view, arms slanted from shoulder to fingertip beside straight joined legs",
        "erect with stiff arms sloping sideways and half-lowered from the trunk, heels together and eyes facing forward",
        "fixed in the plain reference A-pose, arms forming one even slope and legs forming one vertical line",
        "standing straight with feet joined, rod-like arms pointing down to the left and down to the right",
        "legs straight and ankles together under an upright back, fully extended arms held half-low on either side",
        "standing in an A-pose",
        "in an A-pose",
    ),
    "flexed-neutral": (
        "standing neutral in a flexed-rest with both elbows bent forward evenly, knees softly bent and head level",
        "facing the viewer at ease with a flexed-rest look, elbows and knees all bent the same way",
        "upright and evenly flexed from the front, both forearms held level ahead and both knees soft-bent below",
        "keeping a symmetrical rest-form with torso vertical and knees bent, both elbows flexed close beside the waist",
        "waiting in the plain flexed reference-stance, elbows folded alike and knees folded alike under an upright back",
        "settled evenly on two soft-bent knees, elbows flexed alike and forearms held level beside a vertical trunk",
        "resting symmetrical with knees and hips half-flexed, both elbows at right angles and eyes facing straight forward",
        "posed neutral with all four limbs half-folded alike, trunk vertical and head level over two bent knees",
        "standing neutral with bent elbows and knees",
    ),
    "lunge-reach": (
        "lunging with left knee deep-bent and right leg behind, right arm thrust forward and left arm down",
        "striding low so the left knee folds and right leg trails, right-hand reach ahead and left lowered",
        "lunging forward",
    ),
    "throw-back": (
        "leaning back to throw with knee-high left foot, right hand behind the head and left arm forward",
        "rearing backward for a pitch with one lifted left leg, right-hand fist behind ear and left ahead",
        "throwing",
    ),
    "high-kick": (
        "kicking a straight right leg head-high, left arm reaching forward and right arm swung down and back",
        "swinging the stretched right foot up to face-height, left hand pointing ahead and right hand low behind",
        "kicking high",
    ),
    "crouch-cover": (
        "crouching with both knees folded and back rounded, elbows tucked and hands cupped over a half-hidden head",
        "cowering low on two folded legs with spine curved over, arms shielding the bowed face and half-shut",
        "crouching",
    ),
    "twist-wrap": (
        "twisting leftward over wide-planted feet, right arm folded across the chest and left arm behind the back",
        "turning the trunk left above wide-spread legs, right hand crossing the breast and left hand tucked behind",
        "twisting",
    ),
    "kneel-raise": (
        "kneeling bolt-upright on the right knee only, left arm raised straight overhead and right arm hanging down",
        "resting upright on one right knee with left foot planted-flat, left hand pointing skyward and right low",
        "kneeling",
    ),
    "run-stride": (
        "running in mid-stride with left knee up and right leg back, elbows angled and right fist forward",
        "sprinting with the left thigh lifted and right foot trailing, arms pumping at right-angled elbows beside ribs",
        "running",
    ),
    "archer-draw": (
        "aiming like an archer with feet wide-set, left arm raised diagonally and right elbow flexed sharply back",
        "drawing an unseen bow on wide-spread legs, left hand pointing diagonally upward and right hand near cheek",
        "aiming like an archer",
    ),
    "curl-sit": (
        "sitting curled with knees drawn up chest-high, back rounded and curved arms wrapped around both lower legs",
        "huddled on the ground as a ball-shape, knees hugged to the breast and face sunk toward them",
        "sitting curled up",
    ),
    "leap-split": (
        "leaping in mid-air with straight legs split front and back, both arms flung up into a V",
        "jumping high off the ground in a wide-open split, hands thrown up and apart over the head",
        "leaping",
    ),
    "hip-point": (
        "dancing with out-thrust left hip and bent right knee, right arm upright and left hand on waist",
        "swaying disco-like with left hip pushed aside and right knee soft, right hand skyward and left akimbo",
        "dancing",
    ),
    "boxer-punch": (
        "boxing with low-slung hips and bent knees, left arm punching forward and right fist under the chin",
        "fighting from a low-set stance on two bent legs, left fist driven ahead and right fist guarding",
        "boxing",
    ),
    "toe-circle": (
        "dancing on tip-toe with right foot against the left knee, both arms curved into a circle overhead",
        "turning ballet-like on the left foot with right sole at knee height, hands joined roundly above hair",
        "pirouetting",
    ),
    "tilt-glide": (
        "tilting forward over the left leg, right leg hip-high behind and arms swept back beside the ribs",
        "gliding skater-like on one left foot with trunk near level, right leg and both arms stretched behind",
        "gliding on one leg",
    ),
    "lean-back": (
        "leaning back with well-arched spine and straight legs, left hand on hip and right arm stretched up",
        "arching the back into a bow-shape over stretched legs, right hand reaching high and left hand akimbo",
        "leaning back",
    ),
    "deep-bow": (
        "bowing from the waist until the spine is near-level, legs straight and both arms hanging straight down",
        "bending deeply at the hips with flat-held back above straight legs, both hands dangling below the face",
        "bowing",
    ),
    "march-salute": (
        "saluting mid-march with left knee raised high, right hand at the brow and left arm straight down",
        "marching soldier-like with one lifted left thigh, right fingers at the temple and left hand hanging low",
        "saluting",
    ),
    "chair-think": (
        "sitting straight-backed with knees bent at right angles, left hand on thigh and right fist under chin",
        "seated upright on a stool in thinker-style, left palm on the lap and right hand propping jaw",
        "sitting on a stool",
    ),
    "one-leg": (
        "balancing one-legged on the left foot, right heel lifted behind the thigh and arms hanging straight down",
        "standing stork-like on a straight left leg, right shin folded up behind and both hands hanging low",
        "standing on one leg",
    ),
    "floor-palms": (
        "sitting cross-legged with both knees folded outward, bent elbows lifted and palms pressed together above the head",
        "seated lotus-style on the ground with shins crossed in front, hands joined high over an upright back",
        "sitting cross-legged",
    ),
    "squat-forward": (
        "sinking into a half-crouch with feet apart and knees flexed, both arms stretched forward at chest height",
        "squatting with both heels flat and thighs near-level below an upright trunk, both hands reaching straight ahead",
        "squatting",
    ),
    "side-arch": (
        "bending sideways in a C-shape toward the right, left arm arched overhead and right hand on hip",
        "curving the whole trunk to the right bow-like, left hand arcing above hair and right hand akimbo",
        "bending sideways",
    ),
    "stoop-brace": (
        "stooping with hunched-over back and bent legs, elbows pointing outward and both hands braced above the knees",
        "hunching forward on two half-folded legs with a round back, palms propped over knees and elbows out",
        "stooping",
    ),
    "bat-swing": (
        "ready for a two-handed swing with both knees bent, fists above the right shoulder and elbows folded",
        "waiting batter-like on two flexed legs, hands gripped together over the right shoulder and elbows bent sharply",
        "ready to swing a bat",
    ),
    "neck-hands": (
        "standing wide-legged with a level head, both elbows flared outward and fingers laced together behind the neck",
        "upright on far-apart legs, both hands clasped at the nape and elbows pointing out left and right",
        "with hands behind the neck",
    ),
    "arm-up": (
        "standing on straight joined legs with left arm level-sideways, right arm flung straight up beside the ear",
        "with one arm up",
    ),
    "star-legs": (
        "spreading both straight legs far apart as a star-shape, both arms stretched level to left and right",
        "standing like a star",
    ),
    "windmill": (
        "slanting both straight arms windmill-like over joined legs, left hand high outward and right hand low outward",
        "with arms like a windmill",
    ),
    "victory-v": (
        "cheering on straight joined legs with a level head, both straight arms thrown up into a V-shape",
        "cheering",
    ),
    "side-kick": (
        "lifting a straight right leg sideways hip-high, both arms kept level and the left leg standing straight",
        "kicking sideways",
    ),
    "sway": (
        "swaying the upright trunk far over toward the left-side, both straight arms kept level above joined legs",
        "swaying to the left",
    ),
    "sky-point": (
        "pointing the straight left arm at the sky, right arm level and right leg lifted out sideways-low",
        "pointing at the sky",
    ),
    "long-stride": (
        "walking with a long stride on two straight legs, left arm stretched forward and right arm level-sideways",
        "walking",
    ),
}

WORDS_OF = {wording.lower(): name for name, wordings in WORDINGS.items() for wording in wordings}
