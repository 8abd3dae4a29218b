"""What is settled about a request before it is read: how large it may be, by which name, and who speaks for whom.

Headers that name a person or the client behind a proxy are believed from named proxies alone, and taken out of every
other request, so nothing further in can mistake them.
"""

import asyncio
from collections.abc import Collection, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from serinus_console.entrypoints.web.problems import Refused

MAX_BODY_BYTES = 64 * 1024
MAX_BODY_SECONDS = 10.0
_TOO_LARGE = f"a request has at most {MAX_BODY_BYTES >> 10} KiB"
_TOO_SLOW = f"a request is sent within {MAX_BODY_SECONDS:.0f} s"
_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded")


class MaxBody:
    """Answers 413 for a larger body, before it is read where its length is told, else while it is, and 408 for one that
    takes too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _header(scope, "content-length")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            await PlainTextResponse(f"{_TOO_LARGE}\n", 413, {"Connection": "close"})(scope, receive, send)
            return
        size, more = 0, True
        due = asyncio.get_running_loop().time() + MAX_BODY_SECONDS

        async def received() -> Message:
            nonlocal size, more
            try:
                async with asyncio.timeout_at(due if more else None):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, _TOO_SLOW) from None
            more = bool(message.get("more_body"))
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise Refused(413, _TOO_LARGE)
            return message

        await self._app(scope, received, send)


class Hosts:
    """Answers 421 for a Host that is not one of `names` (any, if there are none).

    Another site's name that leads to this address would else read a page that is open to the machine it runs on.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._names and not self._known(_header(scope, "host")):
            text = "this console does not answer to that host name: add it to SERINUS_HOSTS\n"
            await PlainTextResponse(text, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _known(self, host: str) -> bool:
        try:
            return (urlsplit(f"//{host}").hostname or "") in self._names
        except ValueError:
            return False


class Forwarded:
    """Believes X-Forwarded-* and the `identity` headers of `proxies` alone (addresses or networks)."""

    def __init__(self, app: ASGIApp, proxies: Sequence[str], identity: Sequence[str]) -> None:
        self._app = app
        # Uvicorn's types of ASGI are narrower than Starlette's, whose application this wraps.
        self._trusted = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), list(proxies)))
        self._networks = [ip_network(one, strict=False) for one in proxies]
        self._dropped = {name.lower().encode() for name in (*_FORWARDED, *identity)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._from_proxy(scope):
            headers = [(name, value) for name, value in scope["headers"] if name.lower() not in self._dropped]
            await self._app({**scope, "headers": headers}, receive, send)
            return
        await self._trusted(scope, receive, send)

    def _from_proxy(self, scope: Scope) -> bool:
        try:
            peer = ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(peer in one for one in self._networks)


def _header(scope: Scope, name: str) -> str:
    found = [value for key, value in scope["headers"] if key.lower() == name.encode()]
    return found[0].decode("latin-1") if len(found) == 1 else ""
