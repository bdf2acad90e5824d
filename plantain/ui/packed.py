"""The page itself sent compressed, as gradio sends its scripts: it weighs what all of its first views weigh."""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class PackedPage:
    """ASGI middleware: the page is compressed for those who take it so, everything else is left alone.

    >>> page.launch(app_kwargs={"middleware": [Middleware(PackedPage)]})
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.packed = app, GZipMiddleware(app, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Events are streams, which wait in a compressor's buffer.
        app = self.packed if scope["type"] == "http" and scope["path"] == "/" else self.app
        await app(scope, receive, send)
