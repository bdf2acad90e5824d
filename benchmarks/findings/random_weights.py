"""The card's statistics on weights that have learned nothing: ``python benchmarks/findings/random_weights.py``.

Five Poseboxes with random weights throughout; five of which only the transformer is random while the text
encoder is the trained one; and the trained Posebox. On ``dense_pose`` as shipped (the T-pose in ten wordings)
and with the T-pose always in the words of its first pair; both have equal lengths. What is found is kept in
``random_weights.json``, from which ``results.py`` makes a table of the docs: 22 probes take two minutes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import plantain
from plantain.data.prompts import PromptSet
from plantain.model.untrained import reinitialise
from plantain.questions.counted import SENTENCE_FLIPS

WEIGHT_SEEDS = range(5)
KEPT = Path(__file__).with_suffix(".json")


def with_one_wording(prompts: PromptSet) -> PromptSet:
    """The same pairs with the first pair's T-pose phrase in every ``a``; phrases have equal lengths."""
    phrases = [_pose_phrase(pair.a, pair.tags["clothing"], pair.tags["setting"]) for pair in prompts.pairs]
    pairs = [
        replace(pair, a=pair.a.replace(phrase, phrases[0])) for pair, phrase in zip(prompts.pairs, phrases, strict=True)
    ]
    return replace(prompts, name=f"{prompts.name}, one wording", pairs=tuple(pairs))


def _pose_phrase(prompt: str, clothing: str, setting: str) -> str:
    """What stands between the clothes and the place: "… black trousers, PHRASE, on a wooden pier."."""
    start = prompt.index(clothing) + len(clothing) + len(", ")
    return prompt[start : prompt.rindex(f", {setting}")]


def table() -> list[dict[str, Any]]:
    """A row a set of weights and wording."""
    prompts = plantain.load_prompts("dense_pose")
    posebox = plantain.load_pipeline("posebox")
    everything = ("text_encoder", "transformer", "vae")
    pipes = {("trained", 0): posebox}
    pipes |= {("transformer random", seed): reinitialise(posebox, seed=seed) for seed in WEIGHT_SEEDS}
    pipes |= {("all random", seed): reinitialise(posebox, everything, seed) for seed in WEIGHT_SEEDS}
    rows = []
    for (weights, seed), pipe in pipes.items():
        for wording, pairs in (("ten wordings", prompts), ("one wording", with_one_wording(prompts))):
            found = plantain.summarise(plantain.run_probe(pipe, pairs), n_flips=SENTENCE_FLIPS)
            row: dict[str, Any] = {"weights": weights, "seed": seed, "wording": wording, "n_heads": found.n_heads}
            row |= {"n_above_3": found.counts[0], "n_above_5": found.counts[1]}
            row |= {"null_p99": round(found.null_p99[0], 2), "set_p": round(found.set_p[0], 6)}
            r = round(found.split_half[0], 3) if found.split_half else None
            row |= {"max_abs_t": round(found.max_abs_t, 2), "split_half_r": r}
            print(*row.values(), sep="  ", flush=True)
            rows.append(row)
    return rows


if __name__ == "__main__":
    KEPT.write_text("[\n" + ",\n".join(json.dumps(row) for row in table()) + "\n]\n", encoding="utf-8")
