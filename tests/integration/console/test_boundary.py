"""What a console refuses before it reads it, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from serinus_runtime.serving import config
from starlette.types import ASGIApp

pytestmark = pytest.mark.anyio
Start = Callable[..., Any]
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n"


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 1024):
        yield bytes(1024)


async def test_a_body_beyond_64_kib_is_refused_unread_and_the_next_request_answered(start: Start) -> None:
    console = await start(auth="token")
    for path in ("/login", "/v1/runs/a/b/c/1/commands", "/no/such/page"):
        for chunked in (False, True):
            body: Any = chunks(80 * 1024) if chunked else bytes(2**20)
            answer = await console.post(path, content=body, headers={"content-type": "application/json"})
            # In chunks its length shows only to who reads it, which a wrong path or type spares itself.
            unread = chunked and "commands" not in path and answer.status_code in (404, 422)
            assert answer.status_code == 413 or unread, (path, chunked, answer.status_code)
            assert (await console.get("/v1/runs")).status_code == 200


HALVES = {
    "nothing": (b"", b""),
    "half a head": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b""),
    "half a second head": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT", b"HTTP/1.1 200"),
    "half a body": (b"POST /logout HTTP/1.1\r\nHost: localhost\r\n" + FORM, b"HTTP/1.1 408"),
    "half a body that nobody reads": (b"POST /no HTTP/1.1\r\nHost: localhost\r\n" + FORM, b"HTTP/1.1 404"),
}


def patient(app: ASGIApp, *, port: int) -> uvicorn.Config:
    """As it is served, but for uvicorn's own patience with a connection, which is 5 s."""
    made = config(app, port=port)
    made.timeout_keep_alive = 600
    return made


async def test_half_a_request_is_not_held_for_long(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.consoles.config", patient)
    console = await start()
    # Now only: on a busy machine the requests that wait for it to be ready could be taken for such.
    monkeypatch.setattr("serinus_runtime.serving.HEAD_SECONDS", 0.2)
    monkeypatch.setattr("serinus_console.entrypoints.web.boundary.MAX_BODY_SECONDS", 0.1)

    async def answer(half: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", console.http.base_url.port)
        writer.write(half)
        async with asyncio.timeout(60):
            found = await reader.read()
        writer.close()
        return found

    answers = await asyncio.gather(*(answer(half) for half, _ in HALVES.values()))
    for (name, (_, answered)), found in zip(HALVES.items(), answers, strict=True):
        assert found.startswith(answered), (name, found)
        assert bool(found) == bool(answered), (name, found)


async def test_on_loopback_only_loopback_names_are_answered(start: Start) -> None:
    console = await start()
    for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "console.example.com", "", "["):
        status = 200 if "1" in host or "localhost" in host else 421
        assert (await console.get("/v1/runs", headers={"host": host})).status_code == status, host


async def test_named_hosts_are_answered_and_no_others(start: Start) -> None:
    console = await start(hosts="serinus.example.com, 127.0.0.1")
    assert (await console.get("/v1/runs", headers={"host": "Serinus.Example.com"})).status_code == 200
    assert (await console.get("/v1/runs", headers={"host": "localhost"})).status_code == 421
