"""The Kubernetes API by plain JSON: kubernetes_asyncio for configuration and credentials, objects as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import orjson
from serinus_runtime import traces
from serinus_runtime.fair_slots import FairSlots

from serinus_controller.adapters.connection import Connection
from serinus_controller.domain import patches
from serinus_controller.domain.patches import Patch
from serinus_controller.domain.rollout import RolloutView, view
from serinus_controller.service_layer.ports import ClusterError, RefusedError

ROLLOUTS = "/apis/argoproj.io/v1alpha1"
PODS = "/api/v1"
PAGE = 100
# Objects have 1.5 MiB at most.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
# Requests about Rollouts: thousands of acts that do not get on must not keep those of another namespace waiting.
ACTING_AT_ONCE = 16
LONGEST_MESSAGE = 1_000
# Not about what was asked: credentials that are renewed, a server that is slow or wants to be left in peace.
_NO_REFUSAL = (401, 408, 429)


async def connect(kubeconfig: str, context: str) -> Connection:
    """A connection by a kubeconfig file, or by the pod's service account. Raises ValueError saying what is missing."""
    made = Connection(kubeconfig, context)
    await made.read()
    return made


class TooLargeError(ClusterError):
    """The answer has more bytes than are read."""


class Api:
    """Requests with JSON answers. Every failure is a ClusterError with the status code, 0 for no answer."""

    def __init__(self, client: Connection, timeout: float) -> None:
        self._client, self._timeout = client, timeout

    def within(self, seconds: float) -> Api:
        """The same, with no more patience than this."""
        return Api(self._client, min(self._timeout, seconds))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> Any:
        """Raises TooLargeError for an answer of more than `most_bytes`."""
        response = await self._send(method, path, query, body, content_type, aiohttp.ClientTimeout(self._timeout))
        async with response:
            try:
                text = bytearray()
                async for chunk in response.content.iter_any():
                    text += chunk
                    if len(text) > most_bytes:
                        raise TooLargeError(f"{method} {path}: an answer of more than {most_bytes:,} bytes")
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ClusterError(f"{method} {path}: {type(error).__name__}: {error}") from error
            document = _document(text)
            if response.status >= 400 or document is None:
                said = text[:200].decode(errors="replace")
                if document:
                    said = str(document.get("message", ""))[:LONGEST_MESSAGE]
                said += self._refused(response)
                message = f"{method} {path}: {response.status} {said}"
                raise ClusterError(message, response.status, _asked(response), said)
            return document

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
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise ClusterError(f"watch {path}: {type(error).__name__}: {error}") from error

    def _refused(self, response: aiohttp.ClientResponse) -> str:
        if response.status != 401:
            return ""
        connection = self._client
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
        from kubernetes_asyncio.client.exceptions import OpenApiException

        try:
            response = await self._client.call(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=timeout,
            )
        except (aiohttp.ClientError, OSError, OpenApiException) as error:
            raise ClusterError(f"{method} {path}: {type(error).__name__}: {error}") from error
        return response


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


class KubernetesRollouts:
    """The port for acting, on Argo's custom resource."""

    def __init__(self, api: Api) -> None:
        self._api, self._slots = api, FairSlots(ACTING_AT_ONCE)

    async def get(self, namespace: str, name: str) -> RolloutView | None:
        try:
            async with self._slots.held(namespace):
                return view(await self._api.request("GET", f"{ROLLOUTS}/namespaces/{namespace}/rollouts/{name}"))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise
        except ValueError as error:
            raise ClusterError(f"Rollout {namespace}/{name}: {error}") from error

    async def patch_status(self, namespace: str, name: str, patch: Patch | dict[str, Any]) -> RolloutView | None:
        kind = "application/json-patch+json" if isinstance(patch, list) else "application/merge-patch+json"
        path = f"{ROLLOUTS}/namespaces/{namespace}/rollouts/{name}"
        try:
            async with self._slots.held(namespace):
                with traces.span("patch", rollout=f"{namespace}/{name}"):
                    return view(await self._api.request("PATCH", f"{path}/status", body=patch, content_type=kind))
        except ClusterError as error:
            if not 400 <= error.status < 500 or error.status in _NO_REFUSAL:
                raise
            if await self._raced(path, patch, error):
                return None
            raise RefusedError(str(error), error.status, error.retry_after, error.said) from error
        except ValueError as error:
            raise ClusterError(f"Rollout {namespace}/{name}: {error}") from error

    async def _raced(self, path: str, patch: Patch | dict[str, Any], error: ClusterError) -> bool:
        """Whether the Rollout is gone, or is not what the patch was made for.

        A failed test is answered as a refusal by admission often is, so only the object tells them apart.
        """
        if error.status == 409 and error.said.startswith("Operation cannot be fulfilled"):
            return True
        if error.status not in (404, 409, 422):
            return False
        try:
            document = await self._api.request("GET", path)
        except ClusterError as missing:
            if missing.status == 404:
                return True
            raise
        return isinstance(patch, list) and not patches.holds(patch, document)
