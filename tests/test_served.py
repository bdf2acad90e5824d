"""What the server hands out and takes in over HTTP: the page, and nothing else of the machine it runs on."""

import asyncio
import concurrent.futures
import contextlib
import gzip
import http.client
import http.server
import threading
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio import processing_utils

from plantain.data.csv_file import MAX_FILE_BYTES
from plantain.errors import InputError
from plantain.paths import ROOT
from plantain.ui import door, limits
from plantain.ui.door import Door, fetch_nothing


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
]


@pytest.mark.parametrize("path", PRIVATE)
def test_no_file_of_the_machine_is_handed_out(server, path):
    code, body = status(f"{server[0]}gradio_api/file={path}")
    assert code in (403, 404), code
    assert b"root:" not in body
    assert b"import " not in body


@pytest.fixture
def elsewhere():
    """The address of a server of somebody else's, and who asked it."""
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a,b\n")

        def log_message(self, *said):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{other.server_port}/pairs.csv", asked
        other.shutdown()


@pytest.mark.parametrize("route", ["file=", "FILE=", "proxy=", "file=%20", "file/", "File/%20"])
@pytest.mark.parametrize("address", ["http://example.com/x", "https://example.com/x", "http%3A//example.com/x", None])
def test_no_address_is_fetched_for_a_visitor(server, elsewhere, route, address):
    """Refused by the page's own door: gradio refuses none but private addresses, and would stream any other."""
    code, body = status(f"{server[0]}gradio_api/{route}{address or elsewhere[0]}")
    assert (code, body) == (403, b"This page hands out its own files alone.")
    assert not elsewhere[1]


def test_a_file_of_an_event_is_uploaded_and_never_fetched(monkeypatch):
    fetched = []
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetched.append)
    fetch_nothing()
    coming = gr.File().async_move_resource_to_block_cache("https://example.com/pairs.csv")
    # In a thread of its own: a browser of other tests leaves its event loop running in this one.
    with concurrent.futures.ThreadPoolExecutor() as thread, pytest.raises(gr.Error, match="uploaded here, and not f"):
        thread.submit(asyncio.run, coming).result()
    assert not fetched


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


@pytest.mark.parametrize("route", ["upload", "call/run_probe", "run/predict", "queue/join"])
def test_a_body_larger_than_any_request_is_not_read(server, route):
    """Whole it is refused by what it says of itself; in pieces, once too much of it has come."""

    def answered(header, value, body):
        address = urllib.parse.urlsplit(server[0])
        with contextlib.closing(http.client.HTTPConnection(address.hostname, address.port, timeout=60)) as asked:
            asked.putrequest("POST", f"/gradio_api/{route}")
            asked.putheader("Content-Type", "application/json")
            asked.putheader(header, value)
            asked.endheaders()
            for piece in body:
                asked.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            answer = asked.getresponse()
            return answer.status, answer.read()

    assert answered("Content-Length", str(limits.MAX_BODY_BYTES + 1), []) == (413, door._TOO_LARGE.body)
    pieces = [*[b"x" * 2**20] * (limits.MAX_BODY_BYTES // 2**20), b"x"]
    code, said = answered("Transfer-Encoding", "chunked", pieces)
    assert code in (400, 413)  # who reads JSON answers that it could not be read
    assert len(said) < 1000


def test_no_state_is_kept_under_a_name(server):
    for route in ("gradio_api/deep_link?session_hash=x", "gradio_api/run-history/x"):
        code, body = status(server[0] + route)
        assert (code, body[:26]) == (404, b"This page keeps no state u")


def test_the_page_is_sent_compressed_to_those_who_take_it_so(server):
    plain = urllib.request.urlopen(server[0], timeout=60)
    request = urllib.request.Request(server[0], headers={"Accept-Encoding": "gzip"})
    packed = urllib.request.urlopen(request, timeout=60)
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    whole, sent = plain.read(), packed.read()
    assert b"plantain-claim" in gzip.decompress(sent)
    assert len(sent) < 300_000 < len(whole)


def test_the_page_made_once_has_each_servers_own_address(server):
    def page(query="", **headers):
        request = urllib.request.Request(
            server[0] + query, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        return urllib.request.urlopen(request, timeout=60).read()

    first, behind = page(), page(X_Forwarded_Host="space.example", X_Forwarded_Proto="https")
    assert b"https://space.example" in behind
    assert b"space.example" not in first
    assert page() == first == page("?tab=run")
    for i in range(20):  # more names than are remembered
        assert f"http://space{i}.example".encode() in page(X_Forwarded_Host=f"space{i}.example")
    assert page() == first
    assert page(X_Forwarded_Host="space.example", X_Forwarded_Proto="https") == behind
    assert page("?deep_link=none") == first  # a state under a name, of which there is none here


def test_the_page_is_written_once_for_many_who_come_at_once():
    written = []

    async def app(scope, receive, send):
        written.append(scope["query_string"])
        await asyncio.sleep(0.05)
        status = 500 if len(written) == 1 else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<head></head><body></body>"})

    async def get(door):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http", "headers": []}
        await door(scope | {"app": SimpleNamespace(auth=None, get_blocks=lambda: None)}, None, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)

    async def many():
        door = Door(app, head="<style></style>")
        return await asyncio.gather(*(get(door) for _ in range(20)))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # Playwright's loop runs in this thread
        found = pool.submit(lambda: asyncio.run(many())).result(timeout=60)
    assert [status for status, _ in found] == [500, *[200] * 19]  # what failed is not kept
    assert len(written) == 2
    assert all(b"<style></style></head>" in body for _, body in found)


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
