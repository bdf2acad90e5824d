"""How the page starts: on a machine that lacks much or has much in the way, and with a dataset that outlives it."""

import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import hub
import pytest
from browser import FEW_PAIRS, free_port, serve

import app
from plantain.data.dataset import run_name
from plantain.data.result import load_result
from plantain.errors import InputError
from plantain.paths import ROOT, RUNS
from plantain.ui import limits, start
from plantain.ui.limits import OWN_SIZE

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
    and, as after ``pip install -r requirements.txt`` alone, no module called mcp. In the way are proxies that lead
    nowhere, a file where gradio keeps its temporary ones (a stand-in for another user's folder, which stops root too),
    a terminal of ASCII alone, and a proxy in front of it that serves the page under a path.
    """
    folder, hiding = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("hiding")
    (hiding / "sitecustomize.py").write_text(HIDE_MCP)
    (temporary := tmp_path_factory.mktemp("temporary")).joinpath("gradio").write_text("of somebody else")
    gone = [name for name in os.environ if name.startswith(("HF_", "XDG_", "HUGGING", "MPLCONFIG"))]
    variables = dict.fromkeys(gone) | {
        "HF_HUB_OFFLINE": "1",
        "HOME": "/proc/no-home",
        "PLANTAIN_RESULTS_REPO": REPO,
        "PYTHONPATH": os.pathsep.join([str(hiding), os.environ.get("PYTHONPATH", "")]),
        "SPACE_ID": "acme/space",
        **dict.fromkeys(["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"], "http://127.0.0.1:9"),
        **dict.fromkeys(["NO_PROXY", "no_proxy"]),
        "TMPDIR": str(temporary),
        "PYTHONIOENCODING": "ascii",
        "GRADIO_ROOT_PATH": "plantain/",  # /plantain, as some write it
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


def answer(url, **more):
    """Status and text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **more), timeout=60) as answered:
            return answered.status, answered.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("prefix", ["", "plantain/"])
def test_behind_a_proxy_that_strips_or_keeps_a_path_the_page_is_whole(bare, prefix):
    """The proxy that strips sends what it was asked for without the path, the other with it."""
    client, _ = bare
    code, page = answer(client.src + prefix, headers={"X-Forwarded-Host": "example.org"})
    assert code == 200
    assert page.count('id="plantain-style"') + page.count("id='plantain-style'") == 1
    assert page.count('id="plantain-first"') == 1
    assert '"root":"http://example.org/plantain"' in page
    assert answer(client.src + prefix + "theme.css")[0] == 200
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\na,b\r\n--x--\r\n'
    api, form = f"{client.src}{prefix}gradio_api/", {"Content-Type": "multipart/form-data; boundary=x"}
    (path,) = json.loads(answer(f"{api}upload", data=body, headers=form)[1])
    assert answer(f"{api}file={path}") == (200, "a,b")


@pytest.mark.parametrize("prefix", ["", "plantain/"])
def test_what_the_door_refuses_it_refuses_under_a_path_too(bare, prefix):
    api = f"{bare[0].src}{prefix}gradio_api/"
    assert answer(f"{api}file=https://example.com/x") == (403, "This page hands out its own files alone.")
    assert answer(f"{api}file={ROOT}/app.py")[0] == 403
    assert answer(f"{api}deep_link?session_hash=x")[0] == 404
    much = {"Content-Length": str(limits.MAX_BODY_BYTES + 1), "Content-Type": "application/json"}
    assert answer(f"{api}queue/join", data=b"", headers=much)[0] == 413


@pytest.mark.server
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
            "PYTHONIOENCODING": "cp1251",  # in which gradio's hammer cannot be printed
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


# -- what is asked of the machine before the page is served -----------------------------------------


def test_help_prints_in_a_terminal_of_ascii():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, ROOT / "app.py", "--help"], env=environment, capture_output=True, check=True)
    assert b"--runs" in done.stdout


@pytest.mark.server
def test_it_listens_on_ipv6(tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve(tmp_path, host="::", HTTP_PROXY="http://127.0.0.1:9") as url:
        assert 'id="plantain-first"' in answer(url)[1]


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_in_use_is_a_sentence_that_names_the_option(taken, capsys, monkeypatch):
    monkeypatch.setattr(app, "served", "posebox")
    assert app.main(["--port", str(taken)]) == 2
    assert capsys.readouterr().err == f"plantain: Port {taken} is in use; give a free one as --port.\n"


def test_where_no_port_is_free_a_sentence_says_so(taken, monkeypatch):
    monkeypatch.setattr("gradio.http_server.INITIAL_PORT_VALUE", taken)
    monkeypatch.setattr("gradio.http_server.TRY_NUM_PORTS", 1)
    with pytest.raises(InputError, match=rf"Port {taken} is in use; give a free one as --port"):
        start.free_host(None, None)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_a_sentence(port):
    with pytest.raises(InputError, match=rf"--port takes a number from 1 to 65535; got {port}\."):
        start.free_host(None, port)


def test_a_port_that_a_user_may_not_open_is_a_sentence(monkeypatch):
    def refuse(host, port):
        if port:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(start, "_listen", refuse)  # root may open any
    with pytest.raises(InputError, match=r"This user may not open port 80; give a --port from 1024 on\."):
        start.free_host(None, 80)


@pytest.mark.parametrize("host", ["192.0.2.7", "no.such.host.invalid", "a" * 70, "2001:db8::1"])
def test_a_host_that_is_no_address_of_this_machine_is_a_sentence(host):
    with pytest.raises(InputError, match=r"Cannot listen on --host .*Give an address of this machine"):
        start.free_host(host, free_port())


def test_loopback_goes_by_no_proxy_and_what_was_set_stays(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "intranet.example, localhost")
    monkeypatch.setenv("no_proxy", "")
    start.exclude_loopback("10.0.0.7")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intranet.example,localhost,127.0.0.1,::1,10.0.0.7"


def stopped(capsys):
    with pytest.raises(SystemExit):
        start.prepare()
    return capsys.readouterr().err


@pytest.mark.parametrize("address", ["socks://127.0.0.1:1080", "http://proxy:port", "ftp://user:secret@proxy"])
def test_a_proxy_that_httpx_does_not_take_is_a_sentence(monkeypatch, capsys, address):
    """Else importing gradio fails."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ALL_PROXY", address)
    said = stopped(capsys)
    assert said.startswith("plantain: The proxy set in ALL_PROXY cannot be used: ")
    assert said.endswith("start without it: env -u ALL_PROXY python app.py\n")
    assert "secret" not in said


def test_no_room_for_temporary_files_is_a_sentence(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file"))
    assert f"Cannot write to {tmp_path / 'file'}: File exists. Set GRADIO_TEMP_DIR to a folder" in stopped(capsys)
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert "Cannot write temporary files: Not a directory. Set TMPDIR to a folder" in stopped(capsys)


def test_runs_are_saved_beside_the_project_wherever_the_page_was_started(monkeypatch):
    monkeypatch.delenv("PLANTAIN_RUNS", raising=False)
    monkeypatch.chdir("/")
    assert start.saved_folder() == ROOT / "runs"


@pytest.mark.parametrize(("home", "data"), [("/home/ada", None), ("/home/ada", "/data/ada"), (None, None)])
def test_beside_a_project_that_cannot_be_written_to_runs_go_to_the_users_data(monkeypatch, tmp_path, home, data):
    (tmp_path / "project").write_text("a file: also root can write nothing below it")
    monkeypatch.setattr(start, "ROOT", tmp_path / "project")
    for name, value in {"HOME": home, "XDG_DATA_HOME": data, "PLANTAIN_RUNS": None}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    expected = Path(data or Path(home or Path.home(), ".local", "share"), "plantain", "runs")
    assert start.saved_folder() == expected.resolve()


def test_without_a_home_runs_go_to_where_the_page_was_started(monkeypatch, tmp_path):
    (tmp_path / "project").write_text("a file")
    monkeypatch.setattr(start, "ROOT", tmp_path / "project")
    for name in ("XDG_DATA_HOME", "PLANTAIN_RUNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert start.saved_folder() == tmp_path / "runs"


def test_a_folder_for_runs_is_taken_or_refused_before_the_page_opens(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PLANTAIN_RUNS", "")
    monkeypatch.chdir(tmp_path)
    start.set_saved_folder("mine/runs")
    assert start.saved_folder() == tmp_path / "mine" / "runs"
    assert not (tmp_path / "mine").exists()
    monkeypatch.setattr(app, "served", "posebox")
    for arguments, variable in ((["--runs", "/proc/runs"], ""), ([], "/proc/runs")):
        monkeypatch.setenv("PLANTAIN_RUNS", variable)
        assert app.main(arguments) == 2
        assert "Cannot write to /proc/runs; give --runs (or PLANTAIN_RUNS) a folder" in capsys.readouterr().err


NOBODY = """
import os, pwd
def gone(uid):
    raise KeyError(uid)
pwd.getpwuid = gone
from plantain.ui import start
start.prepare()
import spaces
print(start.saved_folder())
"""


def test_a_user_without_home_and_entry_in_passwd_has_a_home_before_spaces_asks_for_it(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "PLANTAIN_RUNS")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", NOBODY]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
    assert done.stdout.strip() == str(ROOT / "runs"), done.stderr
