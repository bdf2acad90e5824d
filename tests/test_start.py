"""How the page starts: on a machine that has nothing, and with a results dataset that outlives it."""

import os
import time
from contextlib import contextmanager

import hub
import pytest
from browser import FEW_PAIRS, serve

from plantain.data.dataset import run_name
from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.ui.limits import OWN_SIZE

pytestmark = pytest.mark.server
REPO = "acme/results"


@contextmanager
def client_of(url):
    from gradio_client import Client

    client = Client(url, verbose=False)
    try:
        yield client
    finally:
        client.close()


def keys(client):
    return {row["run"] for row in client.predict(api_name="/results")["runs"]}


def wait_for(client, key):
    for _ in range(300):
        if key in keys(client):
            return
        time.sleep(0.1)
    raise AssertionError(f"{key} never came; there are {keys(client)}")


HIDE_MCP = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'mcp':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Hide())
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A public Space with nothing that can be missing: (client, folder).

    No home that could be written to, also not by root; no model's cache, no network, a results dataset out of reach,
    and, as after ``pip install -r requirements.txt`` alone, no module called mcp.
    """
    folder, hiding = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("hiding")
    (hiding / "sitecustomize.py").write_text(HIDE_MCP)
    gone = [name for name in os.environ if name.startswith(("HF_", "XDG_", "HUGGING", "MPLCONFIG"))]
    variables = dict.fromkeys(gone) | {
        "HF_HUB_OFFLINE": "1",
        "HOME": "/proc/no-home",
        "PLANTAIN_RESULTS_REPO": REPO,
        "PYTHONPATH": os.pathsep.join([str(hiding), os.environ.get("PYTHONPATH", "")]),
        "SPACE_ID": "acme/space",
    }
    with serve(folder, **variables) as url, client_of(url) as client:
        yield client, folder


def test_without_a_home_a_cache_or_a_network_it_starts_and_works(bare):
    client, folder = bare
    assert "shipped/posebox" in keys(client)
    assert client.predict(csv=FEW_PAIRS, api_name="/run_probe")["summary"]["n_pairs"] == 5
    assert sorted(path.name for path in folder.iterdir()) == ["server.log"]


def test_a_dataset_that_cannot_be_reached_leaves_the_shipped_runs(bare):
    client, folder = bare
    assert "shipped/posebox" in keys(client)
    assert "the shipped runs are shown alone" in (folder / "server.log").read_text()


def test_on_a_public_space_nobody_can_save(bare):
    """A saved run would be in everybody's list: there the button is not only hidden, nothing answers to it."""
    config = bare[0].config
    (button,) = [c["id"] for c in config["components"] if c["props"].get("value") == "Save this run"]
    assert [d for d in config["dependencies"] if any(target[0] == button for target in d["targets"])] == []


def test_runs_of_the_dataset_are_fetched_at_start_and_a_finished_one_is_kept_there(tmp_path):
    """What an earlier life of the Space left in the dataset is in the list; what this one runs, the next will find."""
    folder, earlier = tmp_path / "space", load_result(RUNS / "posebox-untrained")
    folder.mkdir()
    name, before = run_name(load_result(RUNS / "posebox")), run_name(earlier)
    files = {f"{before}/{path.name}": path.read_bytes() for path in earlier.save(tmp_path / "earlier").iterdir()}
    with hub.serve_datasets() as datasets:
        datasets.make(REPO, files)
        variables = {
            "HF_ENDPOINT": datasets.address,
            "HF_TOKEN": hub.WRITER,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "PLANTAIN_RESULTS_REPO": REPO,
        }
        with serve(folder, **variables) as url, client_of(url) as client:
            wait_for(client, f"results-dataset/{before}")
            assert client.predict(run=f"results-dataset/{before}", api_name="/results")["model"] == "posebox-untrained"
            said = press_run(url)
            assert f'Kept in <a href="{datasets.address}/datasets/{REPO}/tree/main/{name}">' in said
            wait_for(client, f"results-dataset/{name}")
        kept = {path.split("/")[0] for path in datasets.repos[REPO].files}
        assert kept == {name, before}


def press_run(url):
    """Press *Run the probe* on the page, as a visitor does; what the page says at the end."""
    from zerogpu import Visitor

    return Visitor(url).press("Run the probe", "dense_pose", None, 0, 1, 1, OWN_SIZE, "card", None, "")[0]
