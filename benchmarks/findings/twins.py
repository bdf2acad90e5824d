"""Does a twin that has learned nothing pass *place*? The share of twins with any head beyond family-wise 5 %.

    python benchmarks/findings/twins.py              # goes on where it stopped; about 2 s a twin on two quiet cores
    python benchmarks/findings/twins.py --table

Named beforehand: untrained transformers of the weight seeds 1000 to 1199 and permuted ones of 1000 to 1049;
twin i reads the prompt set ``SETS[i % 5]`` under the noise seed ``i // 5 % 4``, against the maps of the
trained model (those of other noise than the shipped pictures' are drawn into ``runs/twins``). A twin counts
as flagged in one of the readings below when any of its heads has a family-wise p of at most 0.05 (1,000 sign
flips). Where the test holds, 5 % are flagged, and the p of the largest head is uniform.

The twins of noise seeds 0 and 1 were read once before the sided form left out maps that are their own mirror images
(``canonical`` had shown why: of a symmetric map nothing is left but rounding), those of seeds 2 and 3 only after.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest

import plantain
from plantain import stats
from plantain.data.dense import DenseResult
from plantain.data.pictures import DESCRIPTION, FOLDER, Pictures, load_pictures
from plantain.data.prompts import PromptSet
from plantain.model.features import encode
from plantain.model.untrained import permute, reinitialise
from plantain.paths import RUNS
from plantain.posebox.truth import bodies_of
from plantain.probe.dense import iter_dense
from plantain.probe.pictures import draw_pictures
from plantain.questions.place import SCOPES, place_count
from plantain.stats.rates import wilson

SETS = ("dense_pose", "setting", "canonical", "body_clothing", "remarks")
NOISE_SEEDS = 4
UNTRAINED, PERMUTED = range(1000, 1200), range(1000, 1050)
KEPT = Path(__file__).with_suffix(".json")
FWER = 0.05


def read_twin(run: DenseResult) -> dict[str, float]:
    """The smallest family-wise p of every reading: truth, reading, form and scope."""
    found = {}
    for truth in run.truths:
        for reading in ("vector", "size"):
            for sided in (False, True):
                if sided and run.sided(truth).sum() < stats.MIN_PAIRS:
                    continue
                for scope, view in SCOPES.items():
                    count = place_count(run, view, sided, truth=truth, reading=reading)
                    form = "sided" if sided else "plain"
                    found[f"{truth} {reading} {form} {scope}"] = float(count.max_p.min())
    return found


def drawn(trained: Any, prompts: PromptSet, noise: int) -> Pictures:
    """The trained model's pictures under a noise: the shipped ones, or drawn once and kept."""
    folder = (
        RUNS / "dense" / "posebox" / prompts.name if noise == 0 else Path("runs", "twins", f"{prompts.name}-{noise}")
    )
    if not (folder / FOLDER / DESCRIPTION).exists():
        draw_pictures(trained, prompts, plantain.ProbeConfig(seed=noise)).save(folder)
    return load_pictures(folder, prompts)


def all_twins() -> list[tuple[str, int, str, int]]:
    """Kind, weight seed, prompt set and noise seed of every twin."""
    named = [("untrained", seed) for seed in UNTRAINED] + [("permuted", seed) for seed in PERMUTED]
    return [(*twin, SETS[i % len(SETS)], i // len(SETS) % NOISE_SEEDS) for i, twin in enumerate(named)]


def run() -> None:
    kept: list[dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    done = {(row["weights"], row["seed"]) for row in kept}
    trained = plantain.load_pipeline("posebox")
    known: dict[str, Any] = {}
    pictures: dict[tuple[str, int], Pictures] = {}
    for kind, seed, name, noise in all_twins():
        if (kind, seed) in done:
            continue
        if name not in known:
            prompts = plantain.load_prompts(name)
            known[name] = prompts, bodies_of(prompts, (8, 8)), encode(trained, prompts.prompts)
        prompts, bodies, features = known[name]
        if (name, noise) not in pictures:
            pictures[name, noise] = drawn(trained, prompts, noise)
        twin = (reinitialise if kind == "untrained" else permute)(trained, seed=seed)
        config = plantain.ProbeConfig(seed=noise)
        *_, last = iter_dense(twin, prompts, config, pictures[name, noise], bodies, decoders=False, features=features)
        assert last.result is not None
        kept.append({"weights": kind, "seed": seed, "prompts": name, "noise": noise, "p": read_twin(last.result)})
        KEPT.write_text(json.dumps(kept, indent=0) + "\n", encoding="utf-8")
        print(f"{len(kept)} of {len(all_twins())}", file=sys.stderr)


def table() -> list[list[str]]:
    """A row a reading: twins flagged, Wilson's interval, and how uniform the smallest p is."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    rows = [["truth", "shift by", "form", "heads", "twins", "flagged", "95 % interval", "p uniform?"]]
    unseen = [{**row, "weights": "of noise 2, 3"} for row in kept if row["noise"] > 1]
    for reading in dict.fromkeys(key for row in kept for key in row["p"]):
        for kind in ("untrained", "permuted", "of noise 2, 3"):
            some = [row for row in (unseen if kind.startswith("of") else kept) if row["weights"] == kind]
            p = np.array([row["p"][reading] for row in some if reading in row["p"]])
            flagged = int((p <= FWER).sum())
            low, high = wilson(flagged, len(p))
            truth, by, form, scope = reading.split(" ", 3)
            share = f"{flagged} ({100 * flagged / len(p):.1f} %)"
            ks = kstest(p, "uniform").pvalue
            rows.append(
                [
                    truth,
                    by,
                    form,
                    scope,
                    f"{len(p)} {kind}",
                    share,
                    f"{100 * low:.1f} to {100 * high:.1f} %",
                    f"{ks:.3f}",
                ]
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print what was kept, and run nothing")
    if not parser.parse_args().table:
        run()
    print("\n".join(" | ".join(row) for row in table()))
