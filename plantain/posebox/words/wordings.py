"""What can be said beside subject, body, clothes and place: wordings of poses, and remarks.

Long wordings and remarks have 18 words and two marks, so that any two of them make a pair of equal length.
"""

# The first ten of the T-pose and the first of each expressive pose are those of ``prompts/dense_pose.json``;
# short ones are for typing.
# fmt: off
WORDINGS: dict[str, tuple[str, ...]] = {
    "t-pose": (
        "standing in a T-pose with arms straight out sideways at shoulder height, legs together and head level",
        "facing the viewer upright in a T-shape, each arm extended sideways at shoulder level and feet touching",
        "upright and cross-like from the front, both arms stretched horizontally left and right above straight closed legs",
        "planted scarecrow-like on straight closed legs, elbows locked and hands reaching far sideways level with both shoulders",
        "keeping a symmetrical T-form with torso vertical and knees together, both arms spread level from the shoulders",
        "forming a letter T in front-facing view, arms level from fingertip to fingertip above straight joined legs",
        "erect with stiff arms jutting sideways and right-angled to the trunk, heels together and eyes facing forward",
        "fixed in the plain reference T-pose, arms forming one level line and legs forming one vertical line",
        "standing straight with feet joined, rod-like arms pointing level to the left and level to the right",
        "legs straight and ankles together under an upright back, fully extended arms held shoulder-high on either side",
        "standing in a T-pose",
        "in a T-pose",
        "with both arms straight out sideways"),
    "a-pose": (
        "standing in an A-pose with both arms straight and slanted down sideways, legs together and head level",
        "facing the viewer upright in an A-shape, each arm sloping halfway down sideways and both feet touching",
        "upright and tent-like from the front, both arms slanting left and right halfway below straight closed shoulders",
        "planted pyramid-like on straight closed legs, elbows locked and hands reaching down sideways midway beside both hips",
        "keeping a symmetrical A-form with torso vertical and knees together, both arms sloped down from the shoulders",
        "forming a letter A in front-facing view, arms slanted from shoulder to fingertip beside straight joined legs",
        "erect with stiff arms sloping sideways and half-lowered from the trunk, heels together and eyes facing forward",
        "fixed in the plain reference A-pose, arms forming one even slope and legs forming one vertical line",
        "standing straight with feet joined, rod-like arms pointing down to the left and down to the right",
        "legs straight and ankles together under an upright back, fully extended arms held half-low on either side",
        "standing in an A-pose",
        "in an A-pose"),
    "flexed-neutral": (
        "standing neutral in a flexed-rest with both elbows bent forward evenly, knees softly bent and head level",
        "facing the viewer at ease with a flexed-rest look, elbows and knees all bent the same way",
        "upright and evenly flexed from the front, both forearms held level ahead and both knees soft-bent below",
        "keeping a symmetrical rest-form with torso vertical and knees bent, both elbows flexed close beside the waist",
        "waiting in the plain flexed reference-stance, elbows folded alike and knees folded alike under an upright back",
        "settled evenly on two soft-bent knees, elbows flexed alike and forearms held level beside a vertical trunk",
        "resting symmetrical with knees and hips half-flexed, both elbows at right angles and eyes facing straight forward",
        "posed neutral with all four limbs half-folded alike, trunk vertical and head level over two bent knees",
        "standing neutral with bent elbows and knees"),
    "lunge-reach": (
        "lunging with left knee deep-bent and right leg behind, right arm thrust forward and left arm down",
        "striding low so the left knee folds and right leg trails, right-hand reach ahead and left lowered",
        "lunging forward"),
    "throw-back": (
        "leaning back to throw with knee-high left foot, right hand behind the head and left arm forward",
        "rearing backward for a pitch with one lifted left leg, right-hand fist behind ear and left ahead",
        "throwing"),
    "high-kick": (
        "kicking a straight right leg head-high, left arm reaching forward and right arm swung down and back",
        "swinging the stretched right foot up to face-height, left hand pointing ahead and right hand low behind",
        "kicking high"),
    "crouch-cover": (
        "crouching with both knees folded and back rounded, elbows tucked and hands cupped over a half-hidden head",
        "cowering low on two folded legs with spine curved over, arms shielding the bowed face and half-shut",
        "crouching"),
    "twist-wrap": (
        "twisting leftward over wide-planted feet, right arm folded across the chest and left arm behind the back",
        "turning the trunk left above wide-spread legs, right hand crossing the breast and left hand tucked behind",
        "twisting"),
    "kneel-raise": (
        "kneeling bolt-upright on the right knee only, left arm raised straight overhead and right arm hanging down",
        "resting upright on one right knee with left foot planted-flat, left hand pointing skyward and right low",
        "kneeling"),
    "run-stride": (
        "running in mid-stride with left knee up and right leg back, elbows angled and right fist forward",
        "sprinting with the left thigh lifted and right foot trailing, arms pumping at right-angled elbows beside ribs",
        "running"),
    "archer-draw": (
        "aiming like an archer with feet wide-set, left arm raised diagonally and right elbow flexed sharply back",
        "drawing an unseen bow on wide-spread legs, left hand pointing diagonally upward and right hand near cheek",
        "aiming like an archer"),
    "curl-sit": (
        "sitting curled with knees drawn up chest-high, back rounded and curved arms wrapped around both lower legs",
        "huddled on the ground as a ball-shape, knees hugged to the breast and face sunk toward them",
        "sitting curled up"),
    "leap-split": (
        "leaping in mid-air with straight legs split front and back, both arms flung up into a V",
        "jumping high off the ground in a wide-open split, hands thrown up and apart over the head",
        "leaping"),
    "hip-point": (
        "dancing with out-thrust left hip and bent right knee, right arm upright and left hand on waist",
        "swaying disco-like with left hip pushed aside and right knee soft, right hand skyward and left akimbo",
        "dancing"),
    "boxer-punch": (
        "boxing with low-slung hips and bent knees, left arm punching forward and right fist under the chin",
        "fighting from a low-set stance on two bent legs, left fist driven ahead and right fist guarding",
        "boxing"),
    "toe-circle": (
        "dancing on tip-toe with right foot against the left knee, both arms curved into a circle overhead",
        "turning ballet-like on the left foot with right sole at knee height, hands joined roundly above hair",
        "pirouetting"),
    "tilt-glide": (
        "tilting forward over the left leg, right leg hip-high behind and arms swept back beside the ribs",
        "gliding skater-like on one left foot with trunk near level, right leg and both arms stretched behind",
        "gliding on one leg"),
    "lean-back": (
        "leaning back with well-arched spine and straight legs, left hand on hip and right arm stretched up",
        "arching the back into a bow-shape over stretched legs, right hand reaching high and left hand akimbo",
        "leaning back"),
    "deep-bow": (
        "bowing from the waist until the spine is near-level, legs straight and both arms hanging straight down",
        "bending deeply at the hips with flat-held back above straight legs, both hands dangling below the face",
        "bowing"),
    "march-salute": (
        "saluting mid-march with left knee raised high, right hand at the brow and left arm straight down",
        "marching soldier-like with one lifted left thigh, right fingers at the temple and left hand hanging low",
        "saluting"),
    "chair-think": (
        "sitting straight-backed with knees bent at right angles, left hand on thigh and right fist under chin",
        "seated upright on a stool in thinker-style, left palm on the lap and right hand propping jaw",
        "sitting on a stool"),
    "one-leg": (
        "balancing one-legged on the left foot, right heel lifted behind the thigh and arms hanging straight down",
        "standing stork-like on a straight left leg, right shin folded up behind and both hands hanging low",
        "standing on one leg"),
    "floor-palms": (
        "sitting cross-legged with both knees folded outward, bent elbows lifted and palms pressed together above the head",
        "seated lotus-style on the ground with shins crossed in front, hands joined high over an upright back",
        "sitting cross-legged"),
    "squat-forward": (
        "sinking into a half-crouch with feet apart and knees flexed, both arms stretched forward at chest height",
        "squatting with both heels flat and thighs near-level below an upright trunk, both hands reaching straight ahead",
        "squatting"),
    "side-arch": (
        "bending sideways in a C-shape toward the right, left arm arched overhead and right hand on hip",
        "curving the whole trunk to the right bow-like, left hand arcing above hair and right hand akimbo",
        "bending sideways"),
    "stoop-brace": (
        "stooping with hunched-over back and bent legs, elbows pointing outward and both hands braced above the knees",
        "hunching forward on two half-folded legs with a round back, palms propped over knees and elbows out",
        "stooping"),
    "bat-swing": (
        "ready for a two-handed swing with both knees bent, fists above the right shoulder and elbows folded",
        "waiting batter-like on two flexed legs, hands gripped together over the right shoulder and elbows bent sharply",
        "ready to swing a bat"),
    "neck-hands": (
        "standing wide-legged with a level head, both elbows flared outward and fingers laced together behind the neck",
        "upright on far-apart legs, both hands clasped at the nape and elbows pointing out left and right",
        "with hands behind the neck"),
    "arm-up": (
        "standing on straight joined legs with left arm level-sideways, right arm flung straight up beside the ear",
        "with one arm up"),
    "star-legs": (
        "spreading both straight legs far apart as a star-shape, both arms stretched level to left and right",
        "standing like a star"),
    "windmill": (
        "slanting both straight arms windmill-like over joined legs, left hand high outward and right hand low outward",
        "with arms like a windmill"),
    "victory-v": (
        "cheering on straight joined legs with a level head, both straight arms thrown up into a V-shape",
        "cheering"),
    "side-kick": (
        "lifting a straight right leg sideways hip-high, both arms kept level and the left leg standing straight",
        "kicking sideways"),
    "sway": (
        "swaying the upright trunk far over toward the left-side, both straight arms kept level above joined legs",
        "swaying to the left"),
    "sky-point": (
        "pointing the straight left arm at the sky, right arm level and right leg lifted out sideways-low",
        "pointing at the sky"),
    "long-stride": (
        "walking with a long stride on two straight legs, left arm stretched forward and right arm level-sideways",
        "walking"),
}
# fmt: on

# Remarks that change words and not the picture, for controls of wording. "{a|b}" is a choice.
ASIDES = {
    "light": "lit by {soft|hard|warm|cool|faint|strong} {morning|noon|evening|winter|summer|autumn} light that {falls|slants|pours|drifts|glows|spreads} in from afar, leaving {long|pale|crisp|gentle|deep|mild} half-shadows and {clear|hazy|bright|quiet|fine|plain} edges around",
    "weather": "under {dry|damp|fresh|mild|humid|crisp} air after a {brief|sudden|passing|gentle|steady|late} {shower|storm|breeze|drizzle|frost|mist}, the day-sky turning {clear|hazy|bright|cloudy|calm|dim} toward {dawn|noon|dusk|midnight|sunset|sunrise} once more before long",
    "camera": "photographed with an {old|early|honest|ordinary|unusual|expensive} {film|pocket|plate|digital|studio|press} camera and a {fast|slow|simple|precise|borrowed|polished} lens, fine-grained and {crisp|hazy|plain|mild|clear|faint} from a {modest|proper|usual|fair} distance",
    "style": "rendered as a {modern|classic|naive|refined|playful|sober} {poster|mural|etching|engraving|sketch|collage} with {bold|loose|careful|fluent|patient|nervous} outline-work, {flat|grainy|layered|dotted|hatched|smooth} shading and an {honest|airy|ornate|even|inky|earnest} finish over it all",
    "mood": "in a {calm|festive|solemn|hopeful|wistful|cheerful} and {quiet|lively|tender|mellow|serious|curious} mood that {lingers|settles|deepens|spreads|grows|stays} over everything, half-remembered as from some {story|song|dream|letter|novel|rumour} once told",
    "time": "late on one {ordinary|memorable|lazy|busy|rainy|sunny} {monday|tuesday|thursday|friday|saturday|sunday} in {april|june|august|october|november|december}, mid-week plans {forgotten|finished|postponed|settled|cancelled|begun} and the {nearest|next|usual|final} hours set free again",
    "sound": "with {faint|distant|merry|muffled|steady|slow} {music|birdsong|laughter|chatter|applause|humming} sounding from {nearby|afar|elsewhere|somewhere|outside|upstairs}, well-tuned and {familiar|strange|pleasant|foreign|ancient|new} to everyone who happens to stop and listen",
    "frame": "printed on {matte|glossy|rough|smooth|handmade|recycled} paper and shown in a {plain|carved|gilded|simple|worn|polished} {oak|walnut|brass|steel|maple|bamboo} frame, hand-numbered as {first|second|third|fourth|fifth|sixth} of its edition",
}
