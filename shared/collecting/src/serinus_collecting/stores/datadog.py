"""Datadog's sums by period, by its query of timeseries points (API v1): the one that says how long its periods are."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import orjson
from serinus_contracts import Selector
from serinus_contracts.base import Millis
from serinus_contracts.period_stores import datadog_query
from serinus_counting.periods import Periods, PeriodSums

from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.ports import ProviderError
from serinus_collecting.stores.asking import ApiAnswer, asked

# Several queries go in one address, and proxies cut those that are longer than 8 KB.
MAX_QUERY_CHARACTERS = 4_000
# Where a refusal does not say how long it lasts.
USUAL_PERIOD_SECONDS = 60.0
_WHO = "Datadog"
# Types of metrics that as_count() adds up.
_COUNTS = ("count", "rate")


class Datadog(PeriodProvider):
    """Sums by `as_count()`. After a refusal for its rate limit it is not asked before the limit's period is over."""

    api = "datadog"

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        periods: Periods,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.periods = periods
        self._client, self._url, self._timeout = client, url.rstrip("/") + "/api/v1/query", timeout
        self._metrics_url = url.rstrip("/") + "/api/v1/metrics"
        self._clock, self._limited_until, self._limit = clock, float("-inf"), ""

    async def sums(self, selectors: Sequence[Selector], begin: Millis, end: Millis) -> Sequence[PeriodSums]:
        try:
            queries = [datadog_query(selector, self.periods.period_ms // 1000) for selector in selectors]
        except ValueError as error:
            raise ProviderError(str(error)) from None
        found: list[PeriodSums] = []
        for several in _grouped(queries):
            found += self._read(await self._ask(several, begin, end), len(several))
        return found

    async def objection(self, selector: Selector) -> str:
        request = self._client.build_request("GET", f"{self._metrics_url}/{selector.name}", timeout=self._timeout)
        try:
            answer = await asked(self._client, request, who=_WHO, timeout=self._timeout)
            kind = orjson.loads(answer.body)["type"] if answer.status == httpx.codes.OK else None
        except (ProviderError, ValueError, TypeError, KeyError):
            # It is a right of its own, and the sums can be asked without it.
            return ""
        if kind is None or kind in _COUNTS:
            return ""
        return f"Datadog says that {selector.name} is a {str(kind)[:40]}, whose sums are no counts"

    async def _ask(self, queries: Sequence[str], begin: Millis, end: Millis) -> ApiAnswer:
        if (left := self._limited_until - self._clock()) > 0:
            raise ProviderError(f"{self._limit}: asked again in {math.ceil(left)} s")
        # A period before: whether one that begins with the question belongs to it is not documented.
        since = (begin - self.periods.period_ms) // 1000
        parameters = {"from": str(since), "to": str(end // 1000), "query": ",".join(queries)}
        request = self._client.build_request("GET", self._url, params=parameters, timeout=self._timeout)
        answer = await asked(self._client, request, who=_WHO, timeout=self._timeout)
        if answer.status == httpx.codes.TOO_MANY_REQUESTS:
            self._limited(answer)
        return answer

    def _limited(self, answer: ApiAnswer) -> None:
        def told(name: str) -> float | None:
            text = answer.headers.get(name, "")
            return float(text) if text.isdigit() else None

        allowed, period = told("x-ratelimit-limit"), told("x-ratelimit-period")
        waits = [told("x-ratelimit-reset"), told("retry-after"), period, USUAL_PERIOD_SECONDS]
        seconds = next(one for one in waits if one is not None)
        self._limited_until = self._clock() + seconds
        which = f" of {allowed:g} requests in {period:g} s" if allowed and period else ""
        self._limit = f"Datadog's rate limit{which} is reached"
        raise ProviderError(f"{self._limit}: asked again in {seconds:g} s. Longer spec.interval, or ask its support")

    def _read(self, answer: ApiAnswer, queries: int) -> Sequence[PeriodSums]:
        try:
            document: Any = orjson.loads(answer.body)
            if answer.status != httpx.codes.OK or document.get("status") != "ok":
                raise ProviderError(_refusal(answer.status, document))
            found: list[dict[Millis, float] | None] = [None] * queries
            for series in document["series"]:
                index = series.get("query_index", 0)
                if found[index] is not None or index < 0:
                    raise ProviderError("Datadog answered a query with several series: it has to add them up")
                found[index] = self._points(series)
        except (orjson.JSONDecodeError, AttributeError):
            raise ProviderError(f"Datadog answered HTTP {answer.status} without its JSON") from None
        except (TypeError, KeyError, ValueError, LookupError) as error:
            raise ProviderError(f"Datadog's answer has an unknown form: {type(error).__name__}: {error}") from None
        return [PeriodSums(one or {}) for one in found]

    def _points(self, series: Any) -> dict[Millis, float]:
        wanted = self.periods.period_ms
        if series["interval"] * 1000 != wanted:
            raise ProviderError(
                f"Datadog answered in periods of {series['interval']} s instead of {wanted // 1000} s: "
                "give the provider this period"
            )
        points: dict[Millis, float] = {}
        for at, value in series["pointlist"]:
            if at % wanted or int(at) in points:
                raise ValueError(f"a point at {at:.0f}, which begins no period")
            if value is not None:
                points[int(at)] = float(value)
        return points


def _refusal(status: int, document: Any) -> str:
    said = document.get("error") or "; ".join(map(str, document.get("errors") or ()))
    why = f"Datadog answered HTTP {status}{f', {said[:300]}' if said else ''}"
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            f"{why}: it wants DD-API-KEY, and DD-APPLICATION-KEY of an application key with the scope timeseries_query"
        )
    return why


def _grouped(queries: Sequence[str]) -> Sequence[Sequence[str]]:
    """As few groups as have not too many characters each."""
    groups: list[list[str]] = []
    length = 0
    for query in queries:
        if not groups or length + len(query) > MAX_QUERY_CHARACTERS:
            groups.append([])
            length = 0
        groups[-1].append(query)
        length += len(query) + 1
    return groups
