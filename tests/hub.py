"""A stand-in for the Hugging Face Hub on loopback: one good model and one for every way to fail, and datasets."""

import base64
import hashlib
import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GOOD = "acme/tiny"
REVISIONS = ("main", "v1", COMMIT)
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
    with _serving(type("Handler", (_Handler,), {"folder": Path(folder)})) as address:
        yield address


@contextmanager
def serve_datasets():
    """Serve datasets that can be written to; yields a ``Datasets``, whose ``address`` is theirs."""
    datasets = Datasets()
    with _serving(type("Handler", (_DatasetHandler,), {"hub": datasets})) as datasets.address:
        yield datasets


@contextmanager
def reached(address, home, token=None, offline=False):
    """huggingface_hub in this process: it speaks with ``address`` alone, and keeps what it fetches in ``home``.

    It reads all this from the environment once, when it is imported.
    """
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import close_session

    look_up, template = socket.getaddrinfo, constants.HUGGINGFACE_CO_URL_TEMPLATE

    def only_loopback(host, *arguments, **options):
        assert host == "127.0.0.1", f"a test asked for {host}"
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", only_loopback)
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith(("HF_", "HUGGING", "PLANTAIN_RESULTS")):
                patch.delenv(name)
        if token:
            patch.setenv("HF_TOKEN", token)
        settings = {
            "HUGGINGFACE_CO_URL_TEMPLATE": address + template.removeprefix(constants.ENDPOINT),
            "ENDPOINT": address,
            "HF_HUB_CACHE": str(home),
            "HF_HUB_OFFLINE": offline,
            "HF_HUB_DISABLE_XET": True,  # its own storage protocol, which needs servers of its own: files go by Git LFS
            "HF_TOKEN_PATH": str(Path(home) / "no-token"),
        }
        for name, value in settings.items():
            patch.setattr(constants, name, value)
        patch.setattr(hf_api.api, "endpoint", address)  # of the functions that are no methods
        patch.setattr(time, "sleep", lambda seconds: None)  # between the library's own retries
        close_session()
        yield
    close_session()


@contextmanager
def _serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
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
        revision = rest[1] if rest[:1] in (["resolve"], ["revision"], ["tree"]) else "main"
        if revision not in REVISIONS:
            return self._send(404, "RevisionNotFound")
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

    def _send(self, status, code=None, body=b"", with_body=True, tag=None, commit=COMMIT, message=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", commit)
        if code:
            self.send_header("X-Error-Code", code)
        if code or message:
            self.send_header("X-Error-Message", message or f"the Hub says {code}")
        if tag:
            self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def oid(data):
    """The name git gives a file's content, which the Hub uses as its ETag."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


# -- datasets --------------------------------------------------------------------------------------

OWNER = "acme"
WRITER, READER, EXPIRED = "hf_writer", "hf_reader", "hf_expired"


class Datasets:
    """What the stand-in holds and has been asked; tests read it, and set what shall go wrong.

    ``repos``: id -> namespace with ``files`` (path -> bytes), ``commits`` (summaries), ``head``, ``private``.
    ``faults``: list of (method, part of the path, status, times); the first that fits answers.
    ``before_commit``: called with the dataset before each commit is looked at, as another writer would.
    """

    def __init__(self):
        self.address = ""
        self.repos = {}
        self.uploads = {}
        self.requests = []
        self.faults = []
        self.before_commit = None
        self.lock = threading.Lock()

    def make(self, name, files=(), private=False):
        self.repos[name] = SimpleNamespace(files=dict(files), commits=[], head="", private=private)
        self.advance(name, "initial commit")
        return self.repos[name]

    def advance(self, name, summary):
        repo = self.repos[name]
        repo.commits.append(summary)
        repo.head = hashlib.sha1(f"{name} {len(repo.commits)} {summary}".encode()).hexdigest()

    def fault(self, method, path):
        for index, (wanted, part, status, times) in enumerate(self.faults):
            if method == wanted and part in path and times:
                self.faults[index] = (wanted, part, status, times - 1)
                return status
        return None


class _DatasetHandler(_Handler):
    """Speaks what ``HfApi`` sends for a dataset: metadata, tree, downloads, and the four steps of a push."""

    hub: Datasets

    def do_HEAD(self):
        self._serve("HEAD")

    def do_GET(self):
        self._serve("GET")

    def do_POST(self):
        self._serve("POST")

    def do_PUT(self):
        self._serve("PUT")

    def _serve(self, method):
        url = urlsplit(self.path)
        path, body = unquote(url.path), self._body()
        with self.hub.lock:
            self.hub.requests.append((method, path))
            self.with_body = method != "HEAD"
            status = self.hub.fault(method, path)
            if status is not None:
                return self._say(status)
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if token == EXPIRED:
                return self._say(401, message="Invalid credentials in Authorization header")
            if (method, path) == ("POST", "/api/repos/create"):
                return self._create(token, json.loads(body))
            if match := re.fullmatch(r"/storage/([0-9a-f]{64})", path):
                return self._store(method, match[1], body)
            for pattern, answer in self._ROUTES:
                if match := re.fullmatch(pattern, path):
                    return self._about(answer, token, match, body, parse_qs(url.query))
            self._say(404)

    def _about(self, answer, token, match, body, query):
        name = match[1]
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not token):
            return self._say(404 if token else 401, "RepoNotFound")
        if answer in ("check", "preupload", "batch", "commit") and not (token == WRITER and name.startswith(OWNER)):
            return self._say(403, message="you have no write access")
        return getattr(self, f"_{answer}")(name, repo, *match.groups()[1:], body=body, query=query)

    _ROUTES = (
        (r"/api/datasets/([^/]+/[^/]+)(?:/revision/main)?", "info"),
        (r"/api/datasets/([^/]+/[^/]+)/auth-check/write", "check"),
        (r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.+))?", "tree"),
        (r"/api/datasets/([^/]+/[^/]+)/preupload/([^/]+)", "preupload"),
        (r"/api/datasets/([^/]+/[^/]+)/commit/([^/]+)", "commit"),
        (r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
        (r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
    )

    def _create(self, token, wanted):
        name = f"{wanted['organization']}/{wanted['name']}"
        if wanted["type"] != "dataset" or token != WRITER or wanted["organization"] != OWNER:
            return self._say(403, message="you may not create this")
        if name in self.hub.repos:
            return self._say(409)
        self.hub.make(name, private=wanted.get("visibility") == "private" or wanted.get("private") is True)
        self._json({"url": f"{self.hub.address}/datasets/{name}"})

    def _info(self, name, repo, **_):
        self._json({"id": name, "sha": repo.head, "private": repo.private, "siblings": [], "tags": []})

    def _check(self, name, repo, **_):
        self._json({})

    def _tree(self, name, repo, revision, under, query, **_):
        inside = f"{under}/" if under else ""
        if under and not any(path.startswith(inside) for path in repo.files):
            return self._say(404, "EntryNotFound")
        rows = []
        for path, data in repo.files.items():
            if path.startswith(inside):
                row = {"type": "file", "path": path, "size": len(data), "oid": oid(data)}
                if _is_lfs(path):
                    row["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
                rows.append(row)
        self._json(rows)

    def _preupload(self, name, repo, revision, body, **_):
        answers = []
        for file in json.loads(body)["files"]:
            there = repo.files.get(file["path"])
            row = {"path": file["path"], "uploadMode": "lfs" if _is_lfs(file["path"]) else "regular"}
            if there is not None:
                row["oid"] = hashlib.sha256(there).hexdigest() if _is_lfs(file["path"]) else oid(there)
            answers.append({**row, "shouldIgnore": False})
        self._json({"files": answers})

    def _batch(self, name, repo, body, **_):
        objects = []
        for wanted in json.loads(body)["objects"]:
            link = {"href": f"{self.hub.address}/storage/{wanted['oid']}"}
            actions = {} if wanted["oid"] in self.hub.uploads else {"actions": {"upload": link, "verify": link}}
            objects.append({**wanted, **actions})
        self._json({"transfer": "basic", "objects": objects})

    def _store(self, method, digest, body):
        if method == "PUT":
            self.hub.uploads[digest] = body
        ok = hashlib.sha256(self.hub.uploads.get(digest, b"")).hexdigest() == digest
        self._json({}) if ok else self._say(400)

    def _commit(self, name, repo, revision, body, **_):
        if self.hub.before_commit is not None:
            self.hub.before_commit(repo)
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repo.head):
            return self._say(412, message="A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.hub.uploads[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del repo.files[value["path"]]
        self.hub.advance(name, header["summary"])
        self._json({"commitUrl": f"{self.hub.address}/datasets/{name}/commit/{repo.head}", "commitOid": repo.head})

    def _resolve(self, name, repo, revision, path, **_):
        if path not in repo.files:
            return self._say(404, "EntryNotFound")
        data = repo.files[path]
        self._send(200, body=data, with_body=self.with_body, tag=oid(data), commit=repo.head)

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, content):
        self._send(200, body=json.dumps(content).encode(), with_body=self.with_body)

    def _say(self, status, code=None, message=None):
        self._send(status, code, message=message)


def _is_lfs(path):
    return path.endswith(".safetensors")
