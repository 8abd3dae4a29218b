"""A Prometheus, or what speaks its query API. Every failure becomes one sentence that a verdict can carry."""

import asyncio
import math
from typing import Any

import httpx
import orjson
from serinus_contracts import Selector
from serinus_contracts.base import Millis

from serinus_collector.domain.series import Series
from serinus_collector.service_layer.ports import Answer, ProviderError

MOST_BYTES = 64 * 1024 * 1024


class Prometheus:
    """Raw samples by instant queries on range selectors; at most `concurrency` at once, redirects not followed."""

    def __init__(self, client: httpx.AsyncClient, url: str, *, timeout: float, concurrency: int) -> None:
        self._client = client
        self._url = url.rstrip("/") + "/api/v1/query"
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)

    async def samples(self, selector: Selector, end: Millis, reach_ms: int) -> Answer:
        form = {"query": f"{selector}[{reach_ms}ms]", "time": f"{end / 1000:.3f}", "timeout": f"{self._timeout:g}s"}
        async with self._slots:
            status, body = await self._post(form)
        return _answer(status, body)

    async def _post(self, form: dict[str, str]) -> tuple[int, bytes]:
        try:
            async with self._client.stream("POST", self._url, data=form, timeout=self._timeout) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise ProviderError(f"Prometheus answered with more than {MOST_BYTES >> 20} MiB")
                return response.status_code, bytes(body)
        except httpx.TimeoutException:
            raise ProviderError(f"Prometheus did not answer within {self._timeout:g} s") from None
        except httpx.HTTPError as error:
            raise ProviderError(f"Prometheus is not reachable: {error or type(error).__name__}") from error


def _answer(status: int, body: bytes) -> Answer:
    try:
        document: Any = orjson.loads(body)
        outcome = document["status"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise ProviderError(f"Prometheus answered HTTP {status} without its JSON: is a proxy in between?") from None
    if outcome != "success":
        kind, text = str(document.get("errorType", "error")), str(document.get("error", ""))
        raise ProviderError(f"Prometheus answered HTTP {status}, {kind}: {text[:300]}")
    try:
        data = document["data"]
        if data["resultType"] != "matrix":
            raise ProviderError(f"Prometheus answered with a {data['resultType']}, expected a matrix")
        series = [_series(item) for item in data["result"]]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ProviderError(f"Prometheus' answer has an unknown form: {type(error).__name__}: {error}") from None
    return Answer([one for one in series if one.times], [str(text) for text in document.get("warnings") or ()])


def _series(item: dict[str, Any]) -> Series:
    times: list[int] = []
    values: list[float] = []
    # A series of native histograms has no `values`; it cannot be counted and shows as no series.
    for time, text in item.get("values", ()):
        value = float(text)
        if math.isfinite(value):
            times.append(round(time * 1000))
            values.append(value)
    return Series(item["metric"], times, values)
