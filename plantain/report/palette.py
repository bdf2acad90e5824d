"""The colours: one palette for files and page, and what each colour says."""

import numpy as np

# After Okabe & Ito, told apart with any colour vision (https://jfly.uni-koeln.de/color/), and chosen so
# that each stands out from white and from near-black: rasters cannot follow the theme.
PLUS, MINUS = "#e06c00", "#1a80c4"  # B larger, A larger
RUN, TWIN = "#0d9b76", "#8a8a8a"  # the run itself; what it is held against
INK, MUTED, GRID, PAPER = "#222222", "#616161", "#d6d6d6", "#ffffff"

DEEPEST = 0.82
"""Alpha of a map's largest value over a picture: what lies under it must still be seen."""
_INKS = {"ink": INK, "muted": MUTED, "grid": GRID, "paper": PAPER}
_DATA = {"plus": PLUS, "minus": MINUS, "run": RUN, "twin": TWIN}  # the same in dark mode
_DARK = {"ink": "#e8e8e8", "muted": "#a9a9a9", "grid": "#454545", "paper": "#0b0f19"}
VARIABLES = {f"--plantain-{name}": colour for name, colour in (_INKS | _DATA).items()}
"""CSS variables of the page's light mode; an inline SVG falls back to these values."""
DARK = VARIABLES | {f"--plantain-{name}": colour for name, colour in _DARK.items()}
THEMED = {colour: f"var({name}, {colour})" for name, colour in VARIABLES.items()}


def signed_cells(t: np.ndarray, limit: float) -> np.ndarray:
    """Colours of signed values: RGBA, uint8, one more axis than ``t``; alpha is |t| / limit, and 0 where t is NaN."""
    t = np.nan_to_num(t, nan=0.0)
    alpha = np.clip(np.abs(t) / limit, 0, 1)
    filled = np.array([rgb(MINUS), rgb(PLUS)], dtype=np.uint8)[(t > 0).astype(int)]
    return np.concatenate([filled, np.round(255 * alpha)[..., None].astype(np.uint8)], axis=-1)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
