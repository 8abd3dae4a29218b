"""The Kubernetes API by plain JSON: objects as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from serinus_runtime.errors import TransientError

from serinus_rollouts.kubernetes.connection import Connection

ROLLOUTS = "/apis/argoproj.io/v1alpha1"
PODS = "/api/v1"
PAGE = 100
# Objects have 1.5 MiB at most.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_MESSAGE_LENGTH = 1_000


async def connect(kubeconfig: str, context: str = "") -> Connection:
    """A connection by a kubeconfig file and one of its contexts, by default the current one; without a file, by the
    pod's service account. Raises ValueError saying what is missing."""
    made = Connection(kubeconfig, context)
    await made.read()
    return made


class ClusterError(TransientError):
    """The API server did not do what was asked; `status` is its HTTP code, 0 if it did not answer.

    `said` is its own message, where it gave one.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0, said: str = "") -> None:
        super().__init__(message)
        self.status, self.retry_after, self.said = status, retry_after, said


class TooLargeError(ClusterError):
    """The answer has more bytes than are read."""


class Api:
    """Requests with JSON answers. Every failure is a ClusterError with the status code, 0 for no answer."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection, self._timeout = connection, timeout

    def within(self, seconds: float) -> Api:
        """The same, with no more patience than this."""
        return Api(self._connection, min(self._timeout, seconds))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Any:
        """Raises TooLargeError for an answer of more than `max_bytes`."""
        response = await self._send(method, path, query, body, content_type, aiohttp.ClientTimeout(self._timeout))
        async with response:
            try:
                text = bytearray()
                async for chunk in response.content.iter_any():
                    text += chunk
                    if len(text) > max_bytes:
                        raise TooLargeError(f"{method} {path}: an answer of more than {max_bytes:,} bytes")
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ClusterError(f"{method} {path}: {type(error).__name__}: {error}") from error
            document = _document(text)
            if response.status >= 400 or document is None:
                said = text[:200].decode(errors="replace")
                if document:
                    said = str(document.get("message", ""))[:MAX_MESSAGE_LENGTH]
                said += self._refused(response)
                message = f"{method} {path}: {response.status} {said}"
                raise ClusterError(message, response.status, _asked(response), said)
            return document

    async def find(self, path: str) -> Any | None:
        """An object, None if there is none. Raises ClusterError."""
        try:
            return await self.request("GET", path)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def lines(self, path: str, query: Mapping[str, str], seconds: int) -> AsyncIterator[Mapping[str, Any]]:
        """The events of a watch that the server ends after so many seconds."""
        timeout = aiohttp.ClientTimeout(total=seconds + self._timeout, sock_connect=self._timeout)
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        response = await self._send("GET", path, asked, None, "application/json", timeout)
        async with response:
            try:
                if response.status >= 400:
                    reason = f"{response.status} {(await response.text())[:200]}{self._refused(response)}"
                    raise ClusterError(f"watch {path}: {reason}", response.status, _asked(response))
                async for line in response.content:
                    event = _document(line)
                    if event is None:
                        raise ClusterError(f"watch {path}: a line that is no JSON object")
                    yield event
            # A line that is longer than is read is no ClientError.
            except (aiohttp.ClientError, HttpProcessingError, TimeoutError, ValueError) as error:
                raise ClusterError(f"watch {path}: {type(error).__name__}: {error}") from error

    def _refused(self, response: aiohttp.ClientResponse) -> str:
        if response.status != 401:
            return ""
        connection = self._connection
        return (
            f": the credentials of {connection.place} are refused{f'; {connection.problem}' * bool(connection.problem)}"
        )

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        try:
            return await self._connection.request(
                method,
                path,
                query=list((query or {}).items()),
                body=body,
                content_type=content_type,
                timeout=timeout,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise ClusterError(f"{method} {path}: {type(error).__name__}: {error}") from error


def _asked(response: aiohttp.ClientResponse) -> float:
    """The seconds of a Retry-After header, of which no more than 30 are kept to: an abort may wait for it."""
    text = response.headers.get("Retry-After", "")
    return min(30.0, float(text)) if text.isdecimal() else 0.0


def _document(text: bytes | bytearray) -> Mapping[str, Any] | None:
    try:
        document = orjson.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
