"""The server's door, beyond what gradio sees to: no address is fetched for anybody; the page is made once for all."""

import asyncio
import re
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from gradio import processing_utils
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plantain.ui.limits import MAX_BODY_BYTES

# gradio streams any public address to whoever asks for it as a file: a page would be an open proxy.
_ADDRESS = re.compile(r"/(file[=/]\s*https?:|proxy=)", re.IGNORECASE)
# Keep a visitor's state in a file for good, to be opened under a name of gradio's; links here say what they open.
_KEPT = re.compile(r"/(deep_link|run-history)(/|$)")
# What gradio reads of a request for the page, to write its own address into it.
_READ = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
_PAGES = 8  # one for each address under which the server is known, packed and not


class Door:
    """ASGI middleware: addresses asked for as files and requests of many megabytes are refused, the page is given what
    it shows before gradio has come, and is compressed for those who take it so.

    >>> page.launch(app_kwargs={"middleware": [Middleware(Door, head="<style>…</style>", body="<div>…</div>")]})

    ``head`` goes to the end of the page's head, after the style sheet of its theme, ``body`` to the end of its body.
    """

    def __init__(self, app: ASGIApp, head: str = "", body: str = "") -> None:
        self.app, self.page = app, _Once(GZipMiddleware(_Added(app, head, body), compresslevel=6))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, scope = self.app, _without_prefix(scope)
        if scope["type"] == "http":
            if refusal := _refusal(scope):
                app = refusal
            elif scope["path"] == "/":
                app = self.page  # events are streams, which would wait in a compressor's buffer
        started = False

        async def told(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, _counted(receive), told)
        except _TooLargeError:
            if not started:
                await _TOO_LARGE(scope, receive, send)


def _without_prefix(scope: Scope) -> Scope:
    """Drop the path under which a proxy serves the page (GRADIO_ROOT_PATH), which some proxies keep and some strip."""
    prefix, path = urlsplit(scope.get("root_path", "")).path.rstrip("/"), scope.get("path", "")
    return {**scope, "path": path[len(prefix) :]} if prefix and path.startswith(f"{prefix}/") else scope


class _TooLargeError(Exception):
    """More of a request's body has come than is read."""


_TOO_LARGE = PlainTextResponse(f"A request of more than {MAX_BODY_BYTES // 1024**2} MB is not read.", status_code=413)


def _refusal(scope: Scope) -> ASGIApp | None:
    """What is answered before anything is read of a request."""
    if _ADDRESS.search(scope["path"]):
        return PlainTextResponse("This page hands out its own files alone.", status_code=403)
    if _KEPT.search(scope["path"]):
        return PlainTextResponse("This page keeps no state under a name; its address says what it shows.", 404)
    said = Headers(scope=scope).get("content-length", "0")
    return _TOO_LARGE if len(said) > 12 or not said.isdecimal() or int(said) > MAX_BODY_BYTES else None


def _counted(receive: Receive) -> Receive:
    """The same, until too much has come: a body in pieces does not say how long it is."""
    come = 0

    async def counted() -> Message:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > MAX_BODY_BYTES:
            raise _TooLargeError
        return message

    return counted


def fetch_nothing() -> None:
    """From here on an event whose file is an address is refused, where gradio would fetch it, of any size.

    >>> fetch_nothing()
    """
    setattr(processing_utils, "async_ssrf_protected_download", _refuse)  # noqa: B010  (a module's function)


async def _refuse(*asked: Any, **named: Any) -> str:
    raise gr.Error("Files are uploaded here, and not fetched from an address.", print_exception=False)


class _Once:
    """The page as it was made for the first who asked: gradio takes a twentieth of a second to write it, for everybody
    who comes, and nothing in it changes while it is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.making = app, asyncio.Lock()
        self.made: OrderedDict[tuple[str | None, ...], list[Message]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        # Of somebody who has logged in there is another page for each.
        if scope["method"] != "GET" or scope["app"].auth is not None:
            await self.app(scope, receive, send)
            return
        packed = "gzip" if "gzip" in headers.get("accept-encoding", "") else ""
        key = (scope["scheme"], scope.get("root_path"), packed, *map(headers.get, _READ))
        async with self.making:  # whoever comes while it is made takes it when it is
            if key not in self.made:
                found = await self._answer(scope, receive)
                if found[0]["status"] == 200:
                    self.made[key] = found
            else:
                found = self.made[key]
            if key in self.made:
                self.made.move_to_end(key)
            while len(self.made) > _PAGES:
                self.made.popitem(last=False)
        for message in found:
            await send({**message, "headers": [*message["headers"]]} if "headers" in message else message)

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages


class _Added:
    """The page with more in its head and body; gradio itself adds to the head only when it has come."""

    def __init__(self, app: ASGIApp, head: str, body: str) -> None:
        self.app, self.head, self.body = app, head, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: Message = {}
        parts: list[bytes] = []

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body, headers = b"".join(parts), MutableHeaders(raw=started["headers"])
            if headers.get("content-type", "").startswith("text/html") and body:
                body = self._added(body.decode(), getattr(scope["app"].get_blocks(), "theme_hash", "")).encode()
                headers["content-length"] = str(len(body))
            await send(started)
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, add)

    def _added(self, page: str, theme: str) -> str:
        # At the address that gradio asks for as well, so that it is fetched once.
        head = f'<link rel="stylesheet" href="./theme.css?v={theme}">{self.head}</head>'
        return page.replace("</head>", head, 1).replace("</body>", f"{self.body}</body>", 1)
