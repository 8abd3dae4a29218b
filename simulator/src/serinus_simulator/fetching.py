"""Requests that the simulated Argo really sends, to addresses of this machine only."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urljoin, urlsplit

MAX_REDIRECTS = 10
_MAX_BODY_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Asked:
    """A request: `timeout` in seconds is for all of it, with redirects."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = 10.0


@dataclass(frozen=True)
class Answered:
    """The answer to a request; without a `code` it failed for the reason in `error`."""

    code: int = 0
    body: bytes = b""
    error: str = ""


class Fetch(Protocol):
    """Sends a request and tells its answer, sooner or later, on the thread that the world lives on."""

    def __call__(self, asked: Asked, tell: Callable[[Answered], None]) -> None: ...


def allowed(url: str) -> bool:
    """Whether a URL is plain HTTP to an address in 127.0.0.0/8."""
    try:
        parts = urlsplit(url)
        host = "127.0.0.1" if parts.hostname == "localhost" else str(parts.hostname)
        return parts.scheme == "http" and ipaddress.ip_address(host) in ipaddress.ip_network("127.0.0.0/8")
    except ValueError:
        return False


def fetch(asked: Asked, tell: Callable[[Answered], None]) -> None:
    """In a thread where an event loop runs, which then tells the answer; else at once."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        tell(send(asked))
        return

    def work() -> None:
        answered = send(asked)
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, answered)

    # a daemon, so that an endpoint that never answers does not keep the process from ending
    threading.Thread(target=work, daemon=True).start()


def send(asked: Asked) -> Answered:
    """Send a request and follow redirects, as Go's client does, as long as they stay on this machine."""
    url, end = asked.url, time.monotonic() + asked.timeout
    verb = asked.method.capitalize()
    for _ in range(MAX_REDIRECTS + 1):
        if not allowed(url):
            return Answered(error=f'{verb} "{url}": the simulator asks by plain HTTP in 127.0.0.0/8 only')
        left = end - time.monotonic()
        if left <= 0:
            return _timed_out(verb, url)
        try:
            code, body, location = _send_once(asked, url, left)
        except TimeoutError:
            return _timed_out(verb, url)
        except ConnectionRefusedError:
            place = urlsplit(url)
            dialled = f"{place.hostname}:{place.port or 80}"
            return Answered(error=f'{verb} "{url}": dial tcp {dialled}: connect: connection refused')
        except (OSError, http.client.HTTPException) as error:
            return Answered(error=f'{verb} "{url}": {str(error) or type(error).__name__}')
        if location is None:
            return Answered(code, body)
        url = urljoin(url, location)
    return Answered(error=f'{verb} "{url}": stopped after {MAX_REDIRECTS} redirects')


def _send_once(asked: Asked, url: str, timeout: float) -> tuple[int, bytes, str | None]:
    place = urlsplit(url)
    host = "127.0.0.1" if place.hostname == "localhost" else str(place.hostname)
    connection = http.client.HTTPConnection(host, place.port or 80, timeout=timeout)
    try:
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        headers = {"User-Agent": "Go-http-client/1.1"} | dict(asked.headers)
        connection.request(asked.method, path, asked.body, headers)
        response = connection.getresponse()
        body = response.read(_MAX_BODY_BYTES)
        redirected = response.status in (301, 302, 303, 307, 308)
        return response.status, body, response.headers.get("location") if redirected else None
    finally:
        connection.close()


def _timed_out(verb: str, url: str) -> Answered:
    return Answered(error=f'{verb} "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
