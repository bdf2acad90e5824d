"""Names under which models are asked for, and under which they enter a run."""

from plantain.errors import InputError

KLEIN = "black-forest-labs/FLUX.2-klein-base-4B"
EMBEDDED = "posebox"
REINITIALISED = {
    EMBEDDED: (),
    "posebox-untrained": ("transformer",),
    "posebox-permuted": ("transformer",),
    "posebox-random": ("text_encoder", "transformer", "vae"),
}
"""Which components of an embedded model are given random weights, under which name."""
PERMUTED = "permuted"
"""How the transformer may have learned nothing, beside being drawn anew: its own values, shuffled in every tensor."""
EMBEDDED_MODELS = tuple(REINITIALISED)
TRAINING = "training.json"
"""A file that training a Posebox leaves beside the weights: by it one in a folder is known as one."""
# How the embedded models draw, wherever they do: with its guidance and in so few steps Posebox draws what it is told.
DRAW_STEPS, DRAW_GUIDANCE = 12, 1.5


def model_name(name: str, untrained: bool | str = False) -> str:
    """The name under which a model, or its untrained twin (``PERMUTED`` or not), enters a run's provenance."""
    return f"{name}-{PERMUTED if untrained == PERMUTED else 'untrained'}" if untrained else name


def check_untrained(name: str, untrained: bool | str, weights_seed: int) -> None:
    """Refuse, with an InputError, the untrained twin of what has no trained weights, or a seed without one."""
    if untrained not in (False, True, PERMUTED):
        raise InputError(f"untrained must be true, false or {PERMUTED!r}; got {untrained!r}.")
    if isinstance(weights_seed, bool) or not isinstance(weights_seed, int) or not 0 <= weights_seed < 2**63:
        raise InputError(f"weights_seed must be a whole number from 0 to 2**63 - 1; got {weights_seed!r}.")
    if untrained and REINITIALISED.get(name):
        raise InputError(
            f"{name} has random weights already; its own name is enough, or use the untrained twin of {EMBEDDED}."
        )
    if weights_seed and not untrained:
        raise InputError(f"A weights seed of {weights_seed} says how an untrained twin is drawn; ask for one as well.")
