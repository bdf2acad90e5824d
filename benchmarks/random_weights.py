"""What the card's statistics say of networks that have learned nothing: ``python benchmarks/random_weights.py``.

Five Poseboxes with random weights throughout; five of which only the transformer is random while the text
encoder is the trained one; and the trained Posebox. On ``dense_pose`` as shipped (the T-pose in ten wordings)
and with the T-pose always in the words of its first pair; both have equal lengths.
"""

from __future__ import annotations

from dataclasses import replace

import plantain
from plantain.data.prompts import PromptSet
from plantain.model.untrained import reinitialise

WEIGHT_SEEDS = range(5)


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


def main() -> None:
    prompts = plantain.load_prompts("dense_pose")
    posebox = plantain.load_pipeline("posebox")
    everything = ("text_encoder", "transformer", "vae")
    pipes = {"trained": posebox}
    pipes |= {f"untrained {seed}": reinitialise(posebox, seed=seed) for seed in WEIGHT_SEEDS}
    pipes |= {f"random {seed}": reinitialise(posebox, everything, seed) for seed in WEIGHT_SEEDS}
    print("weights       T-pose in       |t|>3 of 510   null p99   set p    |t|>5   max |t|   split-half r")
    for name, pipe in pipes.items():
        for label, pairs in (("ten wordings", prompts), ("one wording", with_one_wording(prompts))):
            table = plantain.summarise(plantain.run_probe(pipe, pairs))
            r = table.split_half[0] if table.split_half else float("nan")
            share = f"{table.counts[0]:5} ({100 * table.shares[0]:4.1f} %)"
            null = f"{table.null_p99[0]:8.0f}   {table.set_p[0]:.4f}"
            rest = f"{table.counts[1]:4}   {table.max_abs_t:5.1f}   {r:.2f}"
            print(f"{name:12}  {label:13} {share} {null}   {rest}", flush=True)


if __name__ == "__main__":
    main()
