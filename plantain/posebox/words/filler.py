"""One scene in more and more words: the same content, stretched by words that show nothing.

For example "in" → "dressed in" → "and dressed in", "tall thin boy" → "boy of tall and thin build", and ", on a pier" →
", and is standing on a pier". Every added word is one of ``vocabulary.GLUE``, and no mark is added. Left out is what
Posebox reads and does not draw: with "is" before the pose or "is wearing" for "in" it errs.
"""

from itertools import product

from plantain.posebox.words.vocabulary import clothes, place
from plantain.posebox.world.scene import Scene

Options = list[tuple[str, int]]  # words, and how many of them are filler


def fillings(scene: Scene, pose: str) -> dict[int, list[str]]:
    """All filled prompts of a scene by their number of extra words; the plain one is the first of 0.

    >>> fillings(Scene(height="tall", build="thin"), "standing in an A-pose")[2][0]
    'A tall thin person in a grey shirt and black trousers, standing in an A-pose, and is in a plain studio.'

    ``pose`` is a wording of the pose.
    """
    where = place(scene.setting)
    parts: list[Options] = [
        _figures(scene),
        [(f"{worn} {clothes(scene)}", count) for count, worn in enumerate(("in", "dressed in", "and dressed in"))],
        # "and legs straight" is no English.
        [(pose, 0), (f"{'with' if pose.startswith('legs') else 'and'} {pose}", 1)],
        [(f"{words}{where}", count) for count, words in enumerate(("", "and ", "and is ", "and is standing "))],
    ]
    found: dict[int, list[str]] = {}
    for chosen in product(*parts):
        figure, dressed, posed, placed = (words for words, _ in chosen)
        text = f"{figure} {dressed}, {posed}, {placed}."
        found.setdefault(sum(count for _, count in chosen), []).append(text)
    return found


def _figures(scene: Scene) -> Options:
    article = "An" if scene.subject[0] in "aeiou" else "A"
    named = f"{article} {scene.subject}"
    if scene.height == "average height":
        return [
            (f"{named} of average height and {scene.build} build", 0),
            (f"{named} of average height and of {scene.build} build", 1),
            (f"{named} of average height and with a {scene.build} build", 2),
            (f"{named} of an average height and with a {scene.build} build", 3),
        ]
    return [
        (f"A {scene.height} {scene.build} {scene.subject}", 0),
        (f"{named} of {scene.height} and {scene.build} build", 3),
        (f"{named} of {scene.height} build and of {scene.build} build", 5),
    ]
