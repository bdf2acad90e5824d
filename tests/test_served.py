"""What the server hands out and takes in over HTTP: the page, and nothing else of the machine it runs on."""

import gzip
import urllib.error
import urllib.parse
import urllib.request

import pytest

from plantain.data.prompts import MAX_FILE_BYTES
from plantain.errors import InputError
from plantain.paths import ROOT
from plantain.ui import limits


def status(url, **more):
    """Status and body of a request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **more), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


PRIVATE = [
    "/etc/passwd",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "file:///etc/passwd",
    "app.py",
    f"{ROOT}/app.py",
    f"{ROOT}/.git/config",
    f"{ROOT}/README.md",
    f"{ROOT}/assets/../app.py",
    f"{ROOT}/assets/runs/posebox/run.json",
    "/proc/self/environ",
    "http://127.0.0.1:{port}/config",
    "http://169.254.169.254/latest/meta-data",
]


@pytest.mark.parametrize("route", ["gradio_api/file=", "file=", "gradio_api/proxy=", "gradio_api/stream/"])
@pytest.mark.parametrize("path", PRIVATE)
def test_no_file_of_the_machine_is_handed_out(server, route, path):
    url = server[0]
    port = urllib.parse.urlparse(url).port
    code, body = status(url + route + path.format(port=port))
    assert code in (400, 401, 403, 404, 405, 422), code
    assert b"root:" not in body
    assert b"import " not in body


def test_a_saved_run_is_not_handed_out(server):
    url, folder = server
    run = folder / "runs" / "secret"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    try:
        assert status(f"{url}gradio_api/file={run}/run.json")[0] == 403
        assert status(f"{url}gradio_api/file=runs/secret/run.json")[0] in (403, 404)
    finally:
        (run / "run.json").unlink()
        run.rmdir()


def test_an_upload_larger_than_any_prompt_file_is_refused(server):
    def sent(n_bytes):
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n' + b"a" * n_bytes
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        return status(server[0] + "gradio_api/upload", data=body + b"\r\n--x--\r\n", headers=headers)[0]

    assert sent(1000) == 200
    assert sent(MAX_FILE_BYTES + 1000) == 413


def test_the_page_is_sent_compressed_to_those_who_take_it_so(server):
    plain = urllib.request.urlopen(server[0], timeout=60)
    request = urllib.request.Request(server[0], headers={"Accept-Encoding": "gzip"})
    packed = urllib.request.urlopen(request, timeout=60)
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    whole, sent = plain.read(), packed.read()
    assert b"plantain-claim" in gzip.decompress(sent)
    assert len(sent) < 300_000 < len(whole)


def test_no_run_is_saved_where_there_are_very_many_or_no_room_is_left(tmp_path, monkeypatch):
    limits.check_room(tmp_path / "not" / "yet" / "there")
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    limits.check_room(tmp_path)
    monkeypatch.setattr(limits, "MAX_SAVED", 3)
    with pytest.raises(InputError, match=r"at most 3 runs, and 3 are there\. Move some away"):
        limits.check_room(tmp_path)
    monkeypatch.setattr(limits, "MAX_SAVED", 4)
    monkeypatch.setattr(limits, "MIN_FREE_BYTES", 10**18)
    with pytest.raises(InputError, match="MB are free on the disk"):
        limits.check_room(tmp_path)
