"""How long a probe will take, said before anybody presses."""

from plantain.data.prompts import PromptSet
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.errors import InputError
from plantain.ui import catalog
from plantain.ui.engine import Engine
from plantain.ui.limits import check_work, passes
from plantain.wording import duration


def sentence(engine: Engine, prompts: PromptSet, config: ProbeConfig) -> str:
    """Prompts, forwards and seconds of a run, with what the guess rests on."""
    n_passes = passes(len(prompts), config)
    work = f"{len(prompts)} pairs × 2 prompts"
    for n, what in ((config.n_seeds, "seeds"), (config.num_inference_steps, "steps")):
        work += f" × {n} {what}" if n > 1 else ""
    said = f"{work} = {n_passes:,} passes through the model"
    try:
        check_work(len(prompts), config)
    except InputError as error:
        return f"{said}. {error}"
    if engine.gpu_seconds is not None:
        return f"{said}. It asks for {engine.gpu_seconds(prompts, config)} seconds of GPU; unused ones are given back."
    cached = catalog.cached_of(engine.model)
    if cached is None:
        return f"{said}. No run of this model is cached to guess its speed from; the time left shows once it runs."
    seconds = _seconds_a_token(cached) * n_passes * _tokens(cached, config)
    device = cached.provenance.get("device", "its device")
    return f"{said}: about {duration(seconds)}, at the speed of the cached run on {device}."


def _seconds_a_token(cached: ProbeResult) -> float:
    n_passes = passes(cached.n_pairs, cached.config)
    return float(cached.provenance.get("seconds", 0.0)) / (n_passes * int(cached.token_counts[0, 0].sum()))


def _tokens(cached: ProbeResult, config: ProbeConfig) -> float:
    """Tokens of a forward at the wanted size, from those of the cached run at its own."""
    n_image, *text = (int(n) for n in cached.token_counts[0, 0])
    area = float(cached.provenance.get("height", 1)) * float(cached.provenance.get("width", 1))
    wanted = area if config.height is None or config.width is None else float(config.height * config.width)
    return n_image * wanted / area + sum(text)
