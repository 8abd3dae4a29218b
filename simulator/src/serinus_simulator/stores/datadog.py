"""Datadog's query of timeseries points (API v1) for sums by period, as its documents and recorded answers have it.

A point stands at the beginning of its period, periods are cut from the epoch on, one without anything counted has no
point, and the last may be one that is still open. Keys are whatever is not empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serinus_simulator.stores.points import PointSource

MAX_POINTS = 1500
_QUERY = re.compile(r"sum:([A-Za-z][A-Za-z0-9_.]*)\{([^{}]*)\}\.as_count\(\)\.rollup\(sum, ?(\d+)\)(?:,|$)")


@dataclass
class RateLimit:
    """So many requests in each period of seconds, which begins with the clock's."""

    requests: int
    period: int
    used: int = 0
    number: int = -1


class QueryError(Exception):
    """A query that the API refuses."""


class DatadogApi:
    """Answers from `points`; `now` is in seconds. `coarser`: periods are so many times as long as asked for."""

    def __init__(
        self, points: PointSource, now: Callable[[], float], limit: RateLimit | None = None, coarser: int = 1
    ) -> None:
        self._points, self._now, self._limit = points, now, limit
        self.coarser, self.asked = coarser, 0

    async def query(self, request: Request) -> Response:
        """GET /api/v1/query"""
        self.asked += 1
        if not all(request.headers.get(name) for name in ("dd-api-key", "dd-application-key")):
            return JSONResponse({"errors": ["Forbidden"]}, 403)
        if (headers := self._rate()) and headers["X-RateLimit-Remaining"] == "-1":
            headers["X-RateLimit-Remaining"] = "0"
            return JSONResponse({"errors": ["Rate limit reached. Please try again later."]}, 429, headers)
        asked = request.query_params
        try:
            begin, end, text = int(asked["from"]), int(asked["to"]), asked["query"]
            series = [
                one for index, query in enumerate(_parsed(text)) for one in self._series(index, query, begin, end)
            ]
        except (KeyError, ValueError) as error:
            return JSONResponse({"errors": [f"The value provided is invalid: {error}"]}, 400, headers)
        except QueryError as error:
            return JSONResponse({"errors": [f"Error parsing query: {error}"]}, 400, headers)
        answer = {
            "status": "ok",
            "resp_version": 1,
            "res_type": "time_series",
            "query": text,
            "from_date": begin * 1000,
            "to_date": end * 1000,
            "series": series,
            "values": [],
            "times": [],
            "message": "",
            "group_by": [],
        }
        return JSONResponse(answer, 200, headers)

    async def metadata(self, request: Request) -> Response:
        """GET /api/v1/metrics/{name}: all are counts, but one whose name says that it is a gauge."""
        name = request.path_params["name"]
        kind = "gauge" if name.endswith("gauge") else "count"
        return JSONResponse({"type": kind, "description": None, "short_name": None, "unit": None, "per_unit": None})

    def _rate(self) -> dict[str, str]:
        limit = self._limit
        if limit is None:
            return {}
        number, into = divmod(int(self._now()), limit.period)
        limit.used = 1 if number != limit.number else limit.used + 1
        limit.number = number
        told = {"Limit": limit.requests, "Period": limit.period, "Reset": limit.period - into}
        left = max(-1, limit.requests - limit.used)
        return {f"X-RateLimit-{name}": str(value) for name, value in (told | {"Remaining": left}).items()}

    def _series(self, index: int, query: tuple[str, str, int], begin: int, end: int) -> list[dict[str, object]]:
        name, scope, seconds = query
        seconds *= self.coarser * (1 + (end - begin) // (seconds * MAX_POINTS))
        matches, period = _scope(scope), 1000 * seconds
        sums: dict[int, float] = {}
        for point in self._points(name, 1000 * begin // period * period, 1000 * end + 1):
            at = point.at // period * period
            if at >= 1000 * begin and matches(_as_tags(point.tags)):
                sums[at] = sums.get(at, 0.0) + point.count
        if not sums:
            return []
        found = {
            "metric": name,
            "display_name": name,
            "query_index": index,
            "aggr": "sum",
            "scope": scope,
            "tag_set": [],
            "expression": f"sum:{name}{{{scope}}}.as_count().rollup(sum, {seconds})",
            "interval": seconds,
            "length": len(sums),
            "start": min(sums),
            "end": max(sums) + period - 1000,
            "pointlist": [[float(at), sums[at]] for at in sorted(sums)],
            "unit": None,
            "attributes": {},
        }
        return [found]


def _parsed(text: str) -> list[tuple[str, str, int]]:
    found = list(_QUERY.finditer(text))
    if "".join(one[0] for one in found) != text or not found or text.endswith(","):
        raise QueryError(f"unable to parse {text}")
    return [(one[1], one[2], int(one[3])) for one in found]


def _as_tags(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Tags as they are stored: in lower case, and the agent's own name for the namespace."""
    tags = {key.lower(): value.lower() for key, value in labels.items()}
    return tags | {"kube_namespace": tags["namespace"]} if "namespace" in tags else tags


def _scope(text: str) -> Callable[[Mapping[str, str]], bool]:
    if text == "*":
        return lambda _: True
    parts = [_part(part) for part in text.split(" AND ")]
    return lambda tags: all(part(tags) for part in parts)


def _part(text: str) -> Callable[[Mapping[str, str]], bool]:
    if text.startswith("NOT "):
        part = _tag(text[4:])
        return lambda tags: not part(tags)
    if text.startswith("(") and text.endswith(")"):
        either = [_tag(one) for one in text[1:-1].split(" OR ")]
        return lambda tags: any(one(tags) for one in either)
    return _tag(text)


def _tag(text: str) -> Callable[[Mapping[str, str]], bool]:
    key, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"\*?[\w./:-]+\*?", value):
        raise QueryError(f"unable to parse the scope at {text}")
    pattern = re.compile(".*".join(map(re.escape, value.split("*"))))
    return lambda tags: pattern.fullmatch(tags.get(key, "")) is not None
