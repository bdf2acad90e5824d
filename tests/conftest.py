"""Fixtures that several test files share; none needs a network, a GPU or a cached model."""

import os
from pathlib import Path

# Before anything imports huggingface_hub, which reads this once: no test may reach the Hub.
os.environ["HF_HUB_OFFLINE"] = "1"
# Before anything imports torch or numpy, here and in every process that a test starts: the models are so small that
# threads wait for one another longer than they work, and a waiting thread burns a core. A number that is set stays.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | os.environ

import pytest

from plantain.data.prompts import PromptSet

# Files whose tests share a server; then those that start their own. They take longest, and begin first.
OF_THE_PAGE = ("test_page", "test_first_paint")
OF_ONE_SERVER = (
    "test_accessibility",
    "test_links",
    "test_api",
    "test_crowd",
    "test_where",
    "test_pair_overlay",
    "test_cause_view",
    "test_reopened",
    "test_served",
    "test_strangers",
)
OF_THEIR_OWN = ("test_zerogpu", "test_start")


# What a test is handed says what it needs: `python -m pytest` leaves these out, `python -m pytest -m ""` does not.
MARKS = {"browser": ("browser",), "server": ("server", "space", "bare")}


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem != "test_smoke":  # one test of each door, in every run
            for mark, fixtures in MARKS.items():
                if not {*fixtures}.isdisjoint(item.fixturenames):
                    item.add_marker(mark)
    first = (*OF_THE_PAGE, *OF_ONE_SERVER, *OF_THEIR_OWN)
    items.sort(key=lambda item: first.index(item.path.stem) if item.path.stem in first else len(first))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """To each process whole files, in order; those of one server are as one file."""
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            shared = [group for group in (OF_THE_PAGE, OF_ONE_SERVER) if Path(file).stem in group]
            return " ".join(shared[0]) if shared else file

    return Files(config, log)


@pytest.fixture(scope="session")
def posebox():
    """The embedded model; tests that alter a pipeline load their own."""
    import plantain

    return plantain.load_pipeline("posebox", device="cpu")


@pytest.fixture(scope="session")
def odd_pipeline():
    """A random pipeline of odd sizes: what holds here rests on no size of Klein or Posebox."""
    from pipelines import build_odd

    return build_odd()


@pytest.fixture(scope="session")
def saved_pipeline(odd_pipeline, tmp_path_factory):
    """The same in a folder, as ``save_pretrained`` writes it."""
    folder = tmp_path_factory.mktemp("saved") / "pipeline"
    odd_pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def copied(saved_pipeline, tmp_path):
    """A copy of that folder, to be spoiled."""
    import shutil

    return Path(shutil.copytree(saved_pipeline, tmp_path / "copy"))


@pytest.fixture(scope="session")
def small_prompts():
    """Five pairs of unequal lengths; every b says "leaping"."""
    return PromptSet.from_pairs(
        [
            ("A tall dancer standing in a park", "A tall dancer leaping in a park"),
            ("A nurse standing", "A nurse leaping over a low stone wall by the sea"),
            ("A boy in a red coat standing on a wooden pier", "A boy in a red coat leaping on a wooden pier"),
            ("An old chef standing in a kitchen", "An old chef leaping in a kitchen"),
            ("A goalkeeper standing on grass", "A goalkeeper leaping on grass"),
        ],
        name="small",
    )


@pytest.fixture(scope="session")
def klein():
    """The transformer of FLUX.2 Klein 4B at its full size, on the device that has shapes but no values."""
    import torch
    from diffusers import Flux2Transformer2DModel

    with torch.device("meta"):
        return Flux2Transformer2DModel(
            num_layers=5,
            num_single_layers=20,
            num_attention_heads=24,
            attention_head_dim=128,
            joint_attention_dim=7680,
            in_channels=128,
            guidance_embeds=False,
        )


@pytest.fixture
def run_cli(capsys):
    """``run_cli("report", folder)``: the command in this process; its status, what it printed, what it said."""
    from plantain import cli

    def run(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def shipped_study():
    """The cached runs of the controls, trained and untrained."""
    from plantain.data.study import load_controls
    from plantain.paths import RUNS

    return load_controls(RUNS / "controls")


@pytest.fixture(scope="session")
def shipped_comparison(shipped_study):
    """Pose held against its controls in the cached runs."""
    from plantain.questions.selectivity import compare

    return compare(shipped_study)


@pytest.fixture(scope="session")
def browser():
    """Chromium; tests that need it are left out where there is none, unless PLANTAIN_REQUIRE_BROWSER is set."""
    import browser as chromium

    if chromium.CHROMIUM is None:
        # A machine without it still runs the rest, as the README says; .ci/run sets PLANTAIN_REQUIRE_BROWSER, under
        # which importing the module above fails instead.
        pytest.skip("no Chromium here; install it to click through the page")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium.CHROMIUM, args=chromium.FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The page in an empty folder, as a visitor of a fresh machine meets it: (address, folder)."""
    from browser import serve

    folder = tmp_path_factory.mktemp("server")
    with serve(folder) as url:
        yield url, folder
