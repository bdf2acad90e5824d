"""What the 25-pair probe costs on Posebox: beside the usual loop, and beside its own transformer's bare forwards.

    python benchmarks/speed/probe.py

The usual loop calls the pipeline once a prompt, decodes the picture, and keeps every output projection's input until
the end, when it takes their root mean squares; both give the same numbers (checked first). One that knows to leave the
picture in latents is timed as well. The bare forwards are those
that the probe makes, same batches, with the features at hand and nothing hooked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from measured import Row, beside, in_turns, limited, main

import plantain
from plantain.model.features import encode
from plantain.model.names import DRAW_GUIDANCE, DRAW_STEPS
from plantain.probe.capture import HeadCapture
from plantain.probe.probe import Plan, make_plan, noise_of

TURNS = 7


def rows() -> Iterator[Row]:
    pipe = plantain.load_pipeline("posebox", device="cpu")
    prompts, config = plantain.load_prompts("dense_pose"), plantain.ProbeConfig()
    plan = make_plan(pipe, prompts, config, None)
    probe = partial(plantain.run_probe, pipe, prompts, config)
    kept = usual_loop(plan)
    apart = np.abs(kept / probe().mean_square[:, :, 0, 0, :1] - 1).max()
    if not apart < 1e-3:
        raise SystemExit(f"The usual loop gives other numbers than the probe; they differ by {apart:.1e}.")

    calls: dict[str, Callable[[], object]] = {
        "ours": probe,
        "loop": partial(usual_loop, plan),
        "latent": partial(usual_loop, plan, "latent"),
    }
    found = in_turns(calls | {"bare": bare_forwards(plan)}, TURNS)
    what = "25-pair probe, Posebox"
    loop = "the usual loop: 50 pipeline calls, decoded, activations kept"
    yield beside(what, loop, found["ours"], found["loop"], 0.25)
    yield beside(what, "the same loop, nothing decoded", found["ours"], found["latent"])
    yield beside(what, "its own transformer's bare forwards", found["ours"], found["bare"], 1.25)

    texts = prompts.prompts
    found = in_turns({"ours": partial(encode, pipe, texts), "one": partial(one_by_one, pipe, texts)}, TURNS)
    yield beside("encoding its 50 prompts", "`pipe.encode_prompt`, one by one", found["ours"], found["one"])

    options = {"num_inference_steps": DRAW_STEPS, "guidance_scale": DRAW_GUIDANCE, **plantain.call_arguments(pipe)}
    found = in_turns(
        {
            "load": partial(plantain.load_pipeline, "posebox", device="cpu"),
            "draw": partial(pipe, prompt=prompts.prompts[0], **options),
        },
        5,
    )
    yield limited("loading Posebox, after imports", found["load"], 2)
    yield limited("a picture of Posebox, 12 steps with guidance", found["draw"], 3)


def usual_loop(plan: Plan, output: str = "pil") -> np.ndarray:
    """Mean squares over image tokens, (pairs, 2, 1, runs), as one gets them from hooks that store what they see."""
    pipe, channels = plan.pipe, plan.config.channels_per_head
    projections = [(tokens, module) for _, tokens, module in HeadCapture(pipe.transformer)._projections()]
    noise, found = noise_of(pipe, 0, plan.size), []
    n_image = int(plan.token_counts[0, 0, 0])
    for text in plan.prompts.prompts:
        stored: list[tuple[int, torch.Tensor]] = []
        hooks = [
            module.register_forward_pre_hook(lambda _, args, i=i, to=stored: to.append((i, args[0])))
            for i, (_, module) in enumerate(projections)
        ]
        try:
            pipe(
                prompt=text,
                latents=noise,
                num_inference_steps=1,
                guidance_scale=1.0,
                output_type=output,
                **plantain.call_arguments(pipe),
            )
        finally:
            for hook in hooks:
                hook.remove()
        image = [x[0, -n_image:] for i, x in sorted(stored, key=lambda one: one[0]) if projections[i][0] != "text"]
        found.append([x.square().mean(dim=0).unflatten(-1, (-1, channels)).mean(dim=-1) for x in image])
    return np.stack([torch.cat(one).numpy() for one in found]).reshape(len(plan.prompts), 2, 1, -1)


def bare_forwards(plan: Plan) -> Any:
    """A call that makes the transformer's forwards of a probe, and nothing else."""
    inputs: list[dict[str, Any]] = []
    hook = plan.pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: inputs.append(dict(kwargs)), with_kwargs=True
    )
    try:
        plantain.run_probe(plan.pipe, plan.prompts, plan.config)
    finally:
        hook.remove()

    def run() -> None:
        with torch.no_grad():
            for one in inputs:
                plan.pipe.transformer(**one)

    return run


def one_by_one(pipe: Any, texts: list[str]) -> torch.Tensor:
    arguments = plantain.call_arguments(pipe)
    chosen = {key: arguments[key] for key in ("max_sequence_length", "text_encoder_out_layers")}
    with torch.no_grad():
        return torch.cat([pipe.encode_prompt(prompt=[text], **chosen)[0] for text in texts])


if __name__ == "__main__":
    sys.exit(main(rows, __doc__))
