"""A TCP proxy whose connections can be cut, between the services and their Redis."""

import asyncio
import contextlib
import ssl


class Proxy:
    """Passes bytes on until somebody cuts. `url` is where clients connect, over TLS if there is such a context."""

    def __init__(self, server_port: int, tls: ssl.SSLContext | None = None) -> None:
        self._server_port, self._tls = server_port, tls
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis{'s' if self._tls else ''}://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> int:
        """Reset all connections, wherever a command or its answer is just now; how many there were."""
        cut = list(self._writers)
        for writer in cut:
            writer.transport.abort()
        return len(cut) // 2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        await asyncio.gather(_pass(reader, back), _pass(there, writer))
        self._writers -= both


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()  # what was written before the end is still passed on
