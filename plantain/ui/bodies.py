"""What a visitor sees first: bodies that the model drew, of a few pairs, side by side; one opens its pair below."""

from html import escape

from plantain.ui import overlay
from plantain.ui.dense import Dense
from plantain.ui.once import once

_SHOWN = 3


@once(maxsize=4)
def bodies_html(dense: Dense) -> str:
    """A few pairs as buttons, A and B side by side; empty where no pictures are kept.

    >>> bodies_html(dense_beside("shipped/posebox"))

    page.js chooses the pair of a pressed one in *Where*.
    """
    pictures, prompts = dense.pictures, dense.family.trained.prompts
    if pictures is None or not pictures.complete:
        return ""
    a, b = prompts.conditions
    cards = []
    for pair in (len(prompts) * i // _SHOWN for i in range(min(_SHOWN, len(prompts)))):
        name = overlay.pair_name(prompts.pairs[pair], pair)
        sides = "".join(
            f'<img src="{overlay.thumbnail(pictures.pixels[pair, side])}" alt="" width="128" height="128">'
            for side in (0, 1)
        )
        said = f"{name}: {a}, then {b}, as the model draws them. Show where its heads shift."
        cards.append(f'<button type="button" data-pair="{pair}" aria-label="{escape(said)}">{sides}</button>')
    said = f"Drawn by the model: the same body twice, {a} (blue) and {b} (orange). Press one to see its heads."
    return f'<div class="plantain-bodies">{"".join(cards)}</div><p class="plantain-muted">{escape(said)}</p>'
