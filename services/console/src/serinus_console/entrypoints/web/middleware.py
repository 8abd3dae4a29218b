"""What every answer gets: headers that keep a page from running or framing what is not ours, and an ETag."""

import hashlib
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Gives every answer the headers in SECURITY, and keeps it out of shared caches unless it says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)


class ETags:
    """Gives whole answers an ETag, and 304 to who has them. Streams and files pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def sent(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = Headers(scope=message)
                if message["status"] == 200 and "content-length" in headers and "etag" not in headers:
                    start = message
                    return
            elif start is not None:
                first, start = start, None
                if not message.get("more_body"):
                    first, message = _tagged(first, message, known)
                await send(first)
            await send(message)

        await self._app(scope, receive, sent)


def _tagged(start: Message, body: Message, known: str) -> tuple[Message, Message]:
    tag = f'"{hashlib.sha256(body["body"]).hexdigest()[:24]}"'
    headers = MutableHeaders(scope=start)
    headers["ETag"] = tag
    if tag not in [one.strip().removeprefix("W/") for one in known.split(",")]:
        return start, body
    del headers["content-length"]
    return {**start, "status": 304, "headers": headers.raw}, {**body, "body": b""}
