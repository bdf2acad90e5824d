"""A stand-in for the Hugging Face Hub on loopback: one good repository, and one for every way to fail."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GOOD = "acme/tiny"
# Repository -> (status, X-Error-Code) of every answer about it.
FAILING = {
    "acme/gated": (403, "GatedRepo"),
    "acme/gated-anonymous": (401, "GatedRepo"),
    "acme/missing": (404, "RepoNotFound"),
    "acme/private": (401, "RepoNotFound"),
    "acme/unauthorised": (401, None),
    "acme/broken": (500, None),
}
# Listed, with a README but no model_index.json.
EMPTY = "acme/empty"
# Its model_index.json is served, then it is gated, as where terms cover the weights only.
GATED_WEIGHTS = "acme/gated-weights"


@contextmanager
def serve(folder):
    """Serve ``folder``, a saved pipeline, as ``acme/tiny``; yields the address."""
    handler = type("Handler", (_Handler,), {"folder": Path(folder)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    folder: Path

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def log_message(self, *args):
        pass

    def _answer(self, with_body):
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        parts = parts[2:] if api else parts
        name, rest = "/".join(parts[:2]), parts[2:]
        if name in FAILING:
            return self._send(*FAILING[name])
        if name not in (GOOD, EMPTY, GATED_WEIGHTS):
            return self._send(404, "RepoNotFound")
        files = {} if name == EMPTY else self._files()
        if api and rest[:1] == ["tree"]:
            rows = [{"type": "file", "path": path, "size": len(data), "oid": oid(data)} for path, data in files.items()]
            return self._send(200, body=json.dumps(rows).encode(), with_body=with_body)
        if api:
            listed = [{"rfilename": path} for path in files]
            information = {"id": name, "modelId": name, "sha": COMMIT, "siblings": listed, "tags": [], "private": False}
            return self._send(200, body=json.dumps(information).encode(), with_body=with_body)
        path = "/".join(rest[2:])  # after resolve/{revision}
        if path not in files:
            return self._send(404, "EntryNotFound")
        if name == GATED_WEIGHTS and path != "model_index.json":
            return self._send(403, "GatedRepo")
        data = files[path]
        return self._send(200, body=data, with_body=with_body, tag=oid(data))

    def _files(self):
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def _send(self, status, code=None, body=b"", with_body=True, tag=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"the Hub says {code}")
        if tag:
            self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def oid(data):
    """The name git gives a file's content, which the Hub uses as its ETag."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
