"""How the embedded model was trained, and by which settings."""

from dataclasses import dataclass, fields

from plantain.errors import InputError


@dataclass(frozen=True)
class Training:
    """Everything that a training run depends on, beside the world itself."""

    seed: int = 0
    autoencoder_steps: int = 2000
    autoencoder_batch: int = 16
    autoencoder_rate: float = 2e-3
    decoder_steps: int = 800
    decoder_rate: float = 1e-3
    pictures: int = 16_384
    steps: int = 3500
    batch: int = 32
    rate: float = 1.2e-3
    muon_rate: float = 3e-3  # of convolutions and of the matrices inside blocks; the other rates are of the rest
    figure_weight: float = 8.0  # the squared error of a patch counts 1 + this × its share of figure; 0: all alike
    parts_of: str = ""  # a trained Posebox whose autoencoder and text encoder are kept: only the transformer learns

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and value < (0 if field.name in ("seed", "figure_weight") else 1e-12):
                raise InputError(f"{field.name} must be positive; got {value}.")
