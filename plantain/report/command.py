"""The shell command that makes a run again."""

import json
import shlex

from plantain.data.prompts import load_prompts, shipped_prompts
from plantain.data.result import ProbeResult
from plantain.data.settings import ProbeConfig
from plantain.model.names import EMBEDDED_MODELS
from plantain.paths import PROMPTS, safe_name


def shell_command(result: ProbeResult) -> str:
    """One line for the shell that makes the run again; settings at their defaults are left out.

    >>> shell_command(result)
    'python -m plantain run --model posebox --prompts dense_pose --dtype float32 --out runs/dense_pose-posebox'

    Where the prompts are not a shipped set, it reads ``prompts.json``: the file offered beside the run.
    """
    known, default = result.config.to_dict(), ProbeConfig().to_dict()
    provenance, model = result.provenance, result.model
    untrained = "weights_seed" in provenance and model not in EMBEDDED_MODELS
    if untrained:
        model = model.removesuffix("-untrained")
    if revision := provenance.get("revision"):
        model += f"@{revision}"
    words = ["python", "-m", "plantain", "run", "--model", model]
    if untrained:
        words += ["--untrained"]
    if weights_seed := provenance.get("weights_seed"):
        words += ["--weights-seed", str(weights_seed)]
    words += ["--prompts", result.prompts.name if is_shipped(result) else "prompts.json"]
    options = {**known, "steps": known["num_inference_steps"]}
    if known["sigmas"] or known.get("noise_levels"):
        del options["steps"]  # one for each level
    wanted = ("seed", "n_seeds", "steps", "sigmas", "noise_levels", "guidance_scale", "height", "width")
    for option in (*wanted, "channels_per_head"):
        value = options.get(option)
        if value is None or value == default.get(option, default["num_inference_steps"]):
            continue
        words += [f"--{option.replace('_', '-')}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    if batch_size := known["batch_size"] or provenance.get("batch_size"):
        # Chosen by the machine's memory where it is not given; rounding depends on it.
        words += ["--batch-size", str(batch_size)]
    words += ["--dtype", str(provenance.get("dtype", "float32"))]
    words += ["--out", f"runs/{safe_name(f'{result.prompts.name}-{result.model}')}"]
    return shlex.join(words)


def prompts_json(result: ProbeResult) -> str:
    """The run's prompt set as ``--prompts`` reads it."""
    return json.dumps(result.prompts.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def is_shipped(result: ProbeResult) -> bool:
    """Whether the run's prompts are those of the shipped set of that name, word for word."""
    name = result.prompts.name
    return name in shipped_prompts() and load_prompts(PROMPTS / f"{name}.json") == result.prompts
