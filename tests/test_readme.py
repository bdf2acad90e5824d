"""The README: its commands run, its code blocks run, its figures are those of the shipped run."""

import re
import shlex
import subprocess
import sys

import pytest
from huggingface_hub import SpaceCardData
from huggingface_hub.repocard import RepoCard

import plantain
from plantain.paths import ROOT, RUNS

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
    known = ("python -m plantain run ", "python -m plantain report ", "pip install -e ")
    assert all(command.startswith(known) for command in COMMANDS), COMMANDS


def test_the_shell_commands_run_in_order(folder):
    for command in COMMANDS:
        if command.startswith("python -m plantain"):
            run([sys.executable, *shlex.split(command)[1:]], folder)
    assert (folder / "runs" / "posebox-random" / "report" / "heads.csv").exists()
    assert plantain.load_result(folder / "runs" / "my-pairs").complete


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.strip().splitlines()[-1][:40])
def test_the_code_blocks_run_as_they_stand(folder, code):
    if "runs/posebox-random" in code and not (folder / "runs" / "posebox-random" / "report").exists():
        test_the_shell_commands_run_in_order(folder)
    printed = run([sys.executable, "-c", code], folder)
    if "abs().max()" in code:  # the notebook that recomputes t
        assert float(printed) < 1e-4


def test_the_shipped_run_is_what_its_command_makes(folder):
    import numpy as np

    if not (folder / "runs" / "posebox-random").exists():
        test_the_shell_commands_run_in_order(folder)
    shipped, fresh = (plantain.load_result(path) for path in (RUNS / "posebox-random", folder / "runs/posebox-random"))
    assert shipped.prompts == fresh.prompts
    assert shipped.provenance["weights_fingerprint"] == fresh.provenance["weights_fingerprint"]
    # Another machine, thread count or torch rounds differently, in float32.
    np.testing.assert_allclose(fresh.mean_square, shipped.mean_square, rtol=1e-3, atol=1e-7)


def test_its_figures_are_those_of_the_shipped_run():
    table = plantain.summarise(plantain.load_result(RUNS / "posebox-random"))
    said = (
        f"{table.counts[0]} of its {table.n_heads} card heads ({100 * table.shares[0]:.1f} %) lie at |t| > 3,\n"
        f"against a null p99 of {table.null_p99[0]:.0f} (set-level p = {table.set_p[0]:.3f})"
    )
    assert said in README


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
