"""Sends httpx' requests by aiohttp, whose parser is C: a query costs less than half (docs/adr/0061)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx


@contextmanager
def _told_as_httpx() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, aiohttp.ServerTimeoutError) as error:
        raise httpx.ReadTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error)) from error


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _told_as_httpx():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        # What was not read to its end cannot be read over: its connection is closed.
        self._response.release() if self._response.content.at_eof() else self._response.close()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One pool of connections. With `trust_env` it goes by the proxies of the environment."""

    def __init__(self, context: ssl.SSLContext, limits: httpx.Limits, *, trust_env: bool = False) -> None:
        self._context, self._limits, self._trust_env = context, limits, trust_env
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = request.extensions["timeout"]
        timeout = aiohttp.ClientTimeout(connect=asked["pool"], sock_connect=asked["connect"], sock_read=asked["read"])
        with _told_as_httpx():
            response = await self._open().request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=await request.aread() or None,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy(request.url) if self._trust_env else None,
                server_hostname=request.extensions.get("sni_hostname"),
            )
        return httpx.Response(response.status, headers=list(response.raw_headers), stream=_Body(response))

    def _proxy(self, url: httpx.URL) -> str | None:
        # aiohttp would ask the environment at every request, and look for a .netrc in a thread.
        asked = url.scheme, url.netloc.decode()
        if asked not in self._proxies:
            known = getproxies()
            self._proxies[asked] = None if proxy_bypass(asked[1]) else known.get(url.scheme, known.get("all"))
        return self._proxies[asked]

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._context,
                limit=self._limits.max_connections or 0,
                keepalive_timeout=self._limits.keepalive_expiry or 5.0,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            # Connections over TLS say goodbye in the loop's next turns.
            await asyncio.sleep(0)
