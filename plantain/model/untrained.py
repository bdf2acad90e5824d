"""Models whose weights are drawn anew or shuffled: what has learned nothing, with the same text features."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from plantain.errors import InputError
from plantain.model.memory import n_values
from plantain.wording import shorten


def reinitialise(pipe: Any, components: Sequence[str] = ("transformer",), seed: int = 0) -> Any:
    """The same pipeline with the weights of some components drawn anew, as before any training.

    >>> twin = reinitialise(pipe, seed=1)     # an untrained twin: the text features stay

    The other components are shared with ``pipe``. Weights are drawn on the CPU in float32 by the classes' own
    initialisation, so a seed means the same on every device and in every dtype; the process's random state stays.
    """
    drawn = {}
    with torch.random.fork_rng(devices=[]):
        for component in components:
            old = getattr(pipe, component)
            drawn[component] = _draw(type(old), old.config, seed).to(device=old.device, dtype=old.dtype).eval()
    twin = type(pipe)(**{**pipe.components, "is_distilled": pipe.config.is_distilled, **drawn})
    twin.set_progress_bar_config(disable=True)
    return twin


def permute(pipe: Any, seed: int = 0) -> Any:
    """The same pipeline with the values of every tensor of its transformer shuffled among themselves.

    >>> twin = permute(pipe, seed=1)          # scales stay as trained, what was learned goes

    A baseline of a published probe of diffusion models (arXiv 2306.05720). The order of shuffling is drawn on the CPU,
    tensor after tensor by name, so a seed means the same everywhere; the other components are shared with ``pipe``.
    """
    transformer, generator = copy.deepcopy(pipe.transformer), torch.Generator("cpu").manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(transformer.named_parameters()):
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    twin = type(pipe)(**{**pipe.components, "is_distilled": pipe.config.is_distilled, "transformer": transformer})
    twin.set_progress_bar_config(disable=True)
    return twin


@contextmanager
def grafted(pipe: Any, donor: Any, block: int) -> Iterator[None]:
    """One block of a pipeline's transformer replaced by another transformer's, for the time of a ``with`` block.

    >>> with grafted(pipe, reinitialise(pipe).transformer, block=7): ...      # joint blocks first

    What the block's own heads then read is the trained stream: what they show has not been learned by them.
    """
    own = pipe.transformer
    n_joint = len(own.transformer_blocks)
    lists = own.transformer_blocks, donor.transformer_blocks
    if block >= n_joint:
        lists = own.single_transformer_blocks, donor.single_transformer_blocks
        block -= n_joint
    kept = lists[0][block]
    lists[0][block] = lists[1][block]
    try:
        yield
    finally:
        lists[0][block] = kept


def untrained_transformer(folder: Path, dtype: torch.dtype, seed: int) -> Any:
    """The transformer that ``reinitialise`` would draw for a saved pipeline, without reading the trained one."""
    from diffusers import Flux2Transformer2DModel

    needed = 4 * sum(n_values(file) for file in folder.glob("transformer/*.safetensors"))
    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"Drawing the untrained weights of {folder} takes {needed / 1e9:.1f} GB of main memory, and "
            f"{free / 1e9:.1f} GB are free; free some, or use a larger machine."
        )
    try:
        config = Flux2Transformer2DModel.load_config(str(folder / "transformer"))
        with torch.random.fork_rng(devices=[]):
            return _draw(Flux2Transformer2DModel, config, seed).to(dtype=dtype).eval()
    except Exception as error:  # a folder may be broken in any way; the cause stays attached
        why = shorten(str(error))
        raise InputError(f"The pipeline in {folder} cannot be loaded ({why}); save or download it again.") from error


def _draw(kind: Any, config: Any, seed: int) -> Any:
    """A new component in float32, its weights drawn on the CPU; the caller keeps the random state."""
    torch.default_generator.manual_seed(seed)  # the CPU's alone
    return kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
