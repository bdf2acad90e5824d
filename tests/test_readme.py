"""The README: its commands run, its code blocks run, its figures are those of the shipped run."""

import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from huggingface_hub import SpaceCardData
from huggingface_hub.repocard import RepoCard

import plantain
from plantain import cli
from plantain.cli.run import default_out
from plantain.data.dataset import VARIABLE
from plantain.data.prompts import shipped_prompts
from plantain.model.names import EMBEDDED_MODELS
from plantain.paths import POSEBOX, ROOT, RUNS

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line.strip()]
CODE = [text for kind, text in BLOCKS if kind == "python"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder to run in that sees the shipped files but is not the project's own."""
    path = tmp_path_factory.mktemp("readme")
    rows = "".join(f"a {who} standing,a {who} sitting\n" for who in ("cat", "dog", "fox"))
    (path / "my_pairs.csv").write_text("a,b\n" + rows)
    return path


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_shell_command_is_known_to_this_test():
    known = (
        "python -m plantain run ",
        "python -m plantain report ",
        "python -m plantain stability ",
        "python -m plantain dose ",
        "python -m plantain audit ",
        "python -m plantain.posebox read ",
        "pip install -e ",
    )
    assert all(command.startswith(known) for command in COMMANDS), COMMANDS


def test_the_shell_commands_run_in_order(folder):
    for command in COMMANDS:
        if command.startswith("python -m plantain"):
            run([sys.executable, *shlex.split(command)[1:]], folder)
    assert (folder / "runs" / "posebox" / "report" / "heads.csv").exists()
    assert plantain.load_result(folder / "runs" / "my-pairs").complete


def test_commands_that_cannot_run_here_are_understood():
    """They need Klein, a token or the Hub, so they are only read; the defaults the text names are the real ones."""
    lines = re.findall(r"^ *python -m plantain ((?:run|push|report) .*)$", README, flags=re.MULTILINE)
    elsewhere = [line for line in lines if f"python -m plantain {line}" not in COMMANDS and "$model" not in line]
    assert len(elsewhere) == 3
    read = [cli.parser().parse_args(shlex.split(line)) for line in elsewhere]
    assert [options.command.__name__ for options in read] == ["_run", "_run", "_push"]
    assert read[2].run == str(default_out("dense_pose", read[0].model, read[0].untrained))
    assert VARIABLE in README


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.strip().splitlines()[-1][:40])
def test_the_code_blocks_run_as_they_stand(folder, code):
    if "runs/posebox" in code and not (folder / "runs" / "posebox" / "report").exists():
        test_the_shell_commands_run_in_order(folder)
    printed = run([sys.executable, "-c", code], folder)
    if "abs().max()" in code:  # the notebook that recomputes t
        assert float(printed) < 1e-4


@pytest.mark.parametrize("name", EMBEDDED_MODELS)
def test_the_shipped_runs_are_what_their_commands_make(name, folder):
    if not (folder / "runs" / name).exists():
        test_the_shell_commands_run_in_order(folder)
    shipped, fresh = (plantain.load_result(path) for path in (RUNS / name, folder / "runs" / name))
    assert shipped.model == name
    assert shipped.complete
    assert shipped.prompts == fresh.prompts
    assert shipped.provenance["weights_fingerprint"] == fresh.provenance["weights_fingerprint"]
    # Another machine, thread count or torch rounds differently, in float32.
    np.testing.assert_allclose(fresh.mean_square, shipped.mean_square, rtol=1e-3, atol=1e-7)
    assert max(path.stat().st_size for path in (RUNS / name).iterdir()) <= 10e6


@pytest.mark.parametrize("name", EMBEDDED_MODELS)
def test_its_figures_are_those_of_the_shipped_runs(name):
    result = plantain.load_result(RUNS / name)
    card, head = plantain.summarise(result), plantain.summarise(result, grouping="head")
    assert (card.n_heads, head.n_heads) == (510, 75)
    cells = [
        name,
        f"{card.counts[0]} ({100 * card.shares[0]:.1f} %)",
        str(card.counts[1]),
        f"{card.null_p99[0]:.0f}",
        f"{card.set_p[0]:.3f}",
        f"{card.max_abs_t:.1f}",
        f"{card.split_half[0]:.2f}",
        str(head.counts[0]),
    ]
    assert f"| {' | '.join(cells)} |" in README


@pytest.mark.parametrize("name", ["paraphrase", "length"])
def test_its_figures_of_a_control_set_are_those_of_a_fresh_run(name):
    """Two sets, to be quick; ``benchmarks/control_sets.py`` prints all."""
    (row,) = re.findall(rf"^\| `{name}` \| ([-\d].*) \|$", README, flags=re.MULTILINE)
    cells = [float(cell) for cell in row.split(" | ")]
    for told, model in zip((cells[:5], cells[5:]), EMBEDDED_MODELS[:2], strict=True):
        fresh = plantain.summarise(plantain.run_probe(plantain.load_pipeline(model), plantain.load_prompts(name)))
        main = plantain.summarise(plantain.load_result(RUNS / model))
        # Another machine or thread count rounds differently, and a head may cross the threshold.
        assert told[0] == pytest.approx(fresh.counts[0], abs=3)
        assert told[1] == pytest.approx(fresh.null_p99[0], abs=3)
        assert told[2] == pytest.approx(fresh.set_p[0], abs=0.05)
        assert told[3] == pytest.approx(fresh.split_half[0], abs=0.02)
        assert told[4] == pytest.approx(np.corrcoef(fresh.t, main.t)[0, 1], abs=0.02)


def test_every_shipped_set_has_a_row_of_figures():
    for name in shipped_prompts():
        label = "`lexical_1` … `lexical_8`" if name.startswith("lexical_") else f"`{name}`"
        assert len(re.findall(rf"^\| {label}[^|]*\| \d", README, flags=re.MULTILINE)) >= 1, name


def test_its_shares_are_those_of_the_saved_proof():
    found = json.loads((POSEBOX / "proof.json").read_text())
    for name, label in (("dense_pose", "the 50 of `dense_pose`"), ("held_out", "{n} at random")):
        shares = found["shares"][name]
        cells = [f"{100 * shares[what]:.1f} %" for what in ("pose", "canonical", "setting", "clothing")]
        assert f"| {label.format(n=shares['n'])} | {' | '.join(cells)} |" in README
    share = min(found["pose_share_by_pose"].values())
    assert f"the least sure pose reaches {100 * share:.0f} %" in README.replace("\n", " ")


def test_the_front_matter_is_a_valid_space():
    card = RepoCard.load(ROOT / "README.md", ignore_metadata_errors=False)
    data = SpaceCardData(**card.data.to_dict())
    assert data.sdk == "gradio"
    assert data.app_file == "app.py"
    assert (ROOT / data.app_file).exists()
    assert data.license == "apache-2.0"
    assert len(data.to_dict()["short_description"]) <= 60
    assert "black-forest-labs/FLUX.2-klein-base-4B" in data.models


def test_the_pictures_it_shows_exist():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).exists(), path
