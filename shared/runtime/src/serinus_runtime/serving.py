"""How the pages of a service are served: uvicorn, with a limit to how long a request may be on its way."""

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0


class _Protocol(H11Protocol):
    """Closes a connection on which no request has begun for so long; uvicorn itself waits for ever for the rest of a
    head, and for that of a body which nobody reads."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._await_head()

    def on_response_complete(self) -> None:
        self._await_head()  # first: what waits behind may be answered within
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._limit:
            self._limit.cancel()

    def _await_head(self) -> None:
        if self._limit:
            self._limit.cancel()
        self._limit = self.loop.call_later(HEAD_SECONDS, self._close_unless_begun, self.cycle)

    def _close_unless_begun(self, last: object) -> None:
        if self.cycle is last:
            self.transport.close()


def config(app: ASGIApp, *, port: int = 0) -> uvicorn.Config:
    """How every service serves HTTP; port 0: a free one."""
    return uvicorn.Config(
        app,
        port=port,
        http=_Protocol,
        ws="none",
        log_config=None,
        lifespan="off",
        # Whom to believe is the console's to say: by default uvicorn believes whoever speaks from loopback.
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
