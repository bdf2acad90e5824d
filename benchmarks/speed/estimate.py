"""How near the estimate of a run is to what it takes: ``python benchmarks/speed/estimate.py``.

Posebox on this device, after a first run to warm up; estimated and measured seconds, and their ratio.
"""

from __future__ import annotations

from typing import Any

import plantain
from plantain.probe.estimate import before

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"n_seeds": 4},
    {"num_inference_steps": 4},
    {"guidance_scale": 2.0},
    {"height": 256, "width": 256},
)


def main() -> None:
    pipe, prompts = plantain.load_pipeline("posebox"), plantain.load_prompts("dense_pose")
    plantain.run_probe(pipe, prompts)
    for settings in SETTINGS:
        config = plantain.ProbeConfig.from_dict(settings)
        expected = before(pipe, len(prompts), config).seconds
        taken = plantain.run_probe(pipe, prompts, config).provenance["seconds"]
        what = ", ".join(f"{name} {value}" for name, value in settings.items()) or "defaults"
        print(f"{what:24} expected {expected:6.2f} s   taken {taken:6.2f} s   ratio {expected / taken:.2f}", flush=True)


if __name__ == "__main__":
    main()
