"""``python -m plantain.posebox train | prove | tokenizer | sets | read``."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np

from plantain.errors import InputError
from plantain.paths import POSEBOX
from plantain.posebox.training import Training
from plantain.wording import finite, print_anything, shell_line

_say = partial(print, flush=True)
_HELP = {
    "parts_of": "name or folder of a trained Posebox whose autoencoder and text encoder are kept: only the "
    "transformer is trained; default: all three are"
}


def main(arguments: Sequence[str] | None = None) -> int:
    print_anything()
    options = parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except InputError as error:
        print(f"plantain: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return status


def _train(options: argparse.Namespace) -> int:
    from plantain.posebox.training.train import train

    chosen = {field.name: getattr(options, field.name) for field in fields(Training)}
    settings = Training(**{name: value for name, value in chosen.items() if value is not None})
    train(options.out, settings, options.device, options.resume, report=_say)
    again = shell_line("prove", options.out, "--out", options.out, program="plantain.posebox")
    print(f"Saved in {options.out}. What it draws: {again}")
    return 0


def _prove(options: argparse.Namespace) -> int:
    from PIL import Image

    from plantain.model.load import load_pipeline
    from plantain.model.names import EMBEDDED
    from plantain.posebox.proof import contact_sheet, prove

    if options.out is None and options.model != EMBEDDED:
        raise InputError(f"Give --out: a folder for the proof of {options.model}. Only {EMBEDDED}'s is kept with it.")
    out: Path = options.out or POSEBOX
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for proof.json and contact_sheet.png.")
    pipe = load_pipeline(options.model, device=options.device)
    found, verdicts, pictures = prove(
        pipe, options.per_pose, options.seed, lambda done, total: _say(f"drawn: {done} of {total}")
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "proof.json").write_text(json.dumps(finite(found), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    n_dense = int(found["shares"]["dense_pose"]["n"])
    sheet = contact_sheet(verdicts[n_dense:], pictures[n_dense:])
    Image.fromarray(np.ascontiguousarray(sheet)).quantize(256).save(out / "contact_sheet.png", optimize=True)
    for name, shares in found["shares"].items():
        told = ", ".join(f"{what} {100 * share:.1f} %" for what, share in shares.items() if what != "n")
        print(f"{name}, {shares['n']} prompts: {told}")
    worst = sorted(found["pose_share_by_pose"].items(), key=lambda item: item[1])[:5]
    print("least sure poses: " + ", ".join(f"{pose} {100 * share:.0f} %" for pose, share in worst))
    print("It holds." if found["holds"] else f"It does not hold; required: {found['required']}.")
    return 0 if found["holds"] else 1


def _tokenizer(options: argparse.Namespace) -> int:
    from plantain.posebox.tokenizer import FOLDER, train_tokenizer
    from plantain.posebox.words.vocabulary import every_word

    train_tokenizer(every_word(), FOLDER)
    print(f"Wrote {FOLDER}. Every Posebox must be trained anew with it.")
    return 0


def _sets(options: argparse.Namespace) -> int:
    from plantain.posebox.sets import write_sets

    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"{options.out} is a file; name a folder for the prompt sets.")
    for path in write_sets(options.out):
        print(f"Wrote {path}.")
    return 0


def _read(options: argparse.Namespace) -> int:
    from plantain.posebox.words.reading import read

    reading = read(options.prompt)
    skeleton = reading.scene.skeleton
    told = vars(reading.scene) | {
        "canonical": skeleton.canonical,
        "bent joints": ", ".join(skeleton.bent_joints()) or "none",
        "not said": ", ".join(reading.unsaid) or "nothing",
        "unknown": ", ".join(reading.unknown) or "nothing",
        "contradicting": ", ".join(reading.conflicts) or "nothing",
    }
    for name, value in told.items():
        print(f"{name:14} {value}")
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m plantain.posebox", description=__doc__)
    commands = parser.add_subparsers(required=True)

    train = commands.add_parser("train", help="train the autoencoder, then text encoder and transformer")
    train.add_argument("--out", type=Path, required=True, help="folder for the trained pipeline")
    train.add_argument("--device", help="cpu, cuda, …; default: a GPU where there is one")
    train.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    for field in fields(Training):
        kind = type(field.default)
        name = f"--{field.name.replace('_', '-')}"
        train.add_argument(name, dest=field.name, type=kind, help=_HELP.get(field.name, f"default: {field.default}"))
    train.set_defaults(command=_train)

    prove = commands.add_parser("prove", help="draw held-out prompts and measure them against rendered truth")
    prove.add_argument("model", nargs="?", default="posebox", help="embedded model or folder; default: posebox")
    prove.add_argument("--out", type=Path, help="folder for proof.json and contact_sheet.png; default: posebox's own")
    prove.add_argument("--per-pose", type=int, default=10, help="held-out prompts of each pose; default: 10")
    prove.add_argument("--seed", type=int, default=0)
    prove.add_argument("--device")
    prove.set_defaults(command=_prove)

    tokenizer = commands.add_parser("tokenizer", help="learn the tokenizer from Posebox's words")
    tokenizer.set_defaults(command=_tokenizer)

    sets = commands.add_parser("sets", help="write the control prompt sets")
    sets.add_argument("--out", type=Path, required=True, help="folder for NAME.json of every set")
    sets.set_defaults(command=_sets)

    read = commands.add_parser("read", help="what Posebox makes of a prompt")
    read.add_argument("prompt")
    read.set_defaults(command=_read)
    return parser


if __name__ == "__main__":
    sys.exit(main())
