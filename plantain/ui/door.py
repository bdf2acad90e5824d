"""The server's door, beyond what gradio sees to: no address is fetched for anybody, and the page goes compressed."""

import re
from typing import Any

import gradio as gr
from gradio import processing_utils
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# gradio streams any public address to whoever asks for it as a file: a page would be an open proxy.
_ADDRESS = re.compile(r"/(file=\s*https?:|proxy=)", re.IGNORECASE)


class Door:
    """ASGI middleware: addresses asked for as files are refused, and the page is compressed for those who take it so.

    >>> page.launch(app_kwargs={"middleware": [Middleware(Door)]})
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.packed = app, GZipMiddleware(app, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and _ADDRESS.search(scope["path"]):
            app = PlainTextResponse("This page hands out its own files alone.", status_code=403)
        elif scope["type"] == "http" and scope["path"] == "/":
            app = self.packed  # events are streams, which would wait in a compressor's buffer
        await app(scope, receive, send)


def fetch_nothing() -> None:
    """From here on an event whose file is an address is refused, where gradio would fetch it, of any size.

    >>> fetch_nothing()
    """
    setattr(processing_utils, "async_ssrf_protected_download", _refuse)  # noqa: B010  (a module's function)


async def _refuse(*asked: Any, **named: Any) -> str:
    raise gr.Error("Files are uploaded here, and not fetched from an address.", print_exception=False)
