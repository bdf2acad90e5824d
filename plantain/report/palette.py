"""The colours: one palette for files and page, and what each colour says."""

import numpy as np

# After Okabe & Ito, told apart with any colour vision (https://jfly.uni-koeln.de/color/), and chosen so
# that each stands out from white and from near-black: rasters cannot follow the theme.
PLUS, MINUS = "#e06c00", "#1a80c4"  # B larger, A larger
RUN, TWIN = "#0d9b76", "#8a8a8a"  # the run itself; what it is held against
INK, MUTED, GRID, PAPER = "#222222", "#616161", "#d6d6d6", "#ffffff"

_NAMES = {"ink": INK, "muted": MUTED, "grid": GRID, "paper": PAPER, "plus": PLUS, "minus": MINUS}
_NAMES |= {"run": RUN, "twin": TWIN}
VARIABLES = {f"--plantain-{name}": colour for name, colour in _NAMES.items()}
"""CSS variables of the page's light mode; an inline SVG falls back to these values."""
DARK = VARIABLES | {
    "--plantain-ink": "#e8e8e8",
    "--plantain-muted": "#a9a9a9",
    "--plantain-grid": "#454545",
    "--plantain-paper": "#0b0f19",
}
"""The same in dark mode; what marks data keeps its colour."""

THEMED = {colour: f"var({name}, {colour})" for name, colour in VARIABLES.items()}


def signed_cells(t: np.ndarray, limit: float) -> np.ndarray:
    """Colours of signed values: RGBA, uint8, one more axis than ``t``; NaN and 0 leave the background as it is.

    Alpha is |t| / limit, over ``PLUS`` or ``MINUS``: no effect looks like the page in either mode.
    """
    alpha = np.clip(np.abs(np.nan_to_num(t, nan=0.0)) / limit, 0, 1)
    colours = np.array([rgb(MINUS), rgb(PLUS)], dtype=np.uint8)
    filled = colours[(np.nan_to_num(t, nan=0.0) > 0).astype(int)]
    return np.concatenate([filled, np.round(255 * alpha)[..., None].astype(np.uint8)], axis=-1)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
