"""Prometheus' HTTP API as far as a collector uses it, with Prometheus' own shapes of answers and errors."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from serinus_simulator.clock import Agenda, moment
from serinus_simulator.faults import Faults, PrometheusFault
from serinus_simulator.fetching import Answered
from serinus_simulator.kubernetes.watch import encode
from serinus_simulator.pauses import sleep
from serinus_simulator.prometheus.promql import ParseError, Selector, parse
from serinus_simulator.prometheus.series import number
from serinus_simulator.prometheus.tsdb import Result, SampleStore
from serinus_simulator.units import to_seconds

DEFAULT_TIMEOUT = 120.0
CODES = {"bad_data": 400, "execution": 422, "internal": 500, "timeout": 503, "unavailable": 503, "not_found": 404}
_HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n"


class PrometheusError(Exception):
    """A refused query: the type of its error and what is wrong."""

    def __init__(self, kind: str, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code or CODES[kind]
        self.body = encode({"status": "error", "errorType": kind, "error": message})


class PrometheusApi:
    """Answers queries from a sample store."""

    def __init__(self, samples: SampleStore, agenda: Agenda, faults: Faults, *, seed: int, version: str) -> None:
        self._samples = samples
        self._agenda = agenda
        self._faults = faults
        self._random = random.Random(seed)
        self._version = version

    async def query(self, request: Request) -> Response:
        """GET and POST /api/v1/query"""
        try:
            return await self._query(await _parameters(request))
        except PrometheusError as error:
            return Response(error.body, status_code=error.code, media_type="application/json")

    def answer(self, query: str, timeout: float, tell: Callable[[Answered], None]) -> None:
        """What `query` would answer over HTTP, for those who live in the world; later where it is slowed down."""
        hits = self._faults.prometheus(query)
        slow = sum(fault.seconds for fault in hits if fault.effect == "slow")
        if slow:
            self._agenda.after(min(slow, timeout), lambda: tell(self._answered(query, hits, late=slow > timeout)))
        else:
            tell(self._answered(query, hits, late=False))

    def _answered(self, query: str, hits: list[PrometheusFault], *, late: bool) -> Answered:
        if late:
            return Answered(error=f'Post "{query}": context deadline exceeded')
        try:
            for fault in hits:
                if (spoiled := self._spoiled(fault)) is not None:
                    return Answered(spoiled.status_code, bytes(spoiled.body))
            return Answered(200, self._evaluated(query, round(self._agenda.now * 1000), hits))
        except PrometheusError as error:
            return Answered(error.code, error.body)

    async def build_info(self, _: Request) -> Response:
        """GET /api/v1/status/buildinfo"""
        build = {"version": self._version, "revision": "0" * 40, "branch": "HEAD", "buildUser": "", "buildDate": ""}
        data = {**build, "goVersion": "go1.26.8"}
        return Response(encode({"status": "success", "data": data}), media_type="application/json")

    async def ready(self, _: Request) -> Response:
        """GET /-/ready"""
        return PlainTextResponse("Prometheus Server is Ready.\n")

    async def healthy(self, _: Request) -> Response:
        """GET /-/healthy"""
        return PlainTextResponse("Prometheus Server is Healthy.\n")

    async def _query(self, parameters: Mapping[str, str]) -> Response:
        query = parameters.get("query", "")
        at = _time(parameters.get("time"), self._agenda)
        timeout = _timeout(parameters.get("timeout"))
        self._parsed(query)
        hits = self._faults.prometheus(query)
        for fault in hits:
            if fault.effect == "slow":
                await sleep(self._agenda, min(fault.seconds, timeout))
                if fault.seconds > timeout:
                    raise PrometheusError("timeout", "query timed out in expression evaluation")
            elif (spoiled := self._spoiled(fault)) is not None:
                return spoiled
        self._agenda.catch_up()
        return Response(self._evaluated(query, at, hits), media_type="application/json")

    def _evaluated(self, query: str, at: int, hits: list[PrometheusFault]) -> bytes:
        selector = self._parsed(query)
        results, warnings = self._thin_out(self._results(selector, at), hits)
        return _render(selector, results, warnings)

    def _parsed(self, query: str) -> Selector:
        try:
            return parse(query, quoted_names=int(self._version.partition(".")[0]) >= 3)
        except ParseError as error:
            raise PrometheusError("bad_data", f'invalid parameter "query": {error}') from None

    def _results(self, selector: Selector, at: int) -> list[Result]:
        if selector.milliseconds is None:
            return self._samples.instant(selector, at)
        if selector.step is not None:
            return self._samples.sums(selector, at)
        return self._samples.range(selector, at)

    def _spoiled(self, fault: PrometheusFault) -> Response | None:
        """The answer that a fault gives instead of the query's."""
        if fault.effect == "html":
            return Response(_HTML, media_type="text/html")
        if fault.effect != "status":
            return None
        if fault.code == 429:
            return Response("too many requests\n", 429, {"Retry-After": "1"}, "text/plain")
        kinds = {code: kind for kind, code in CODES.items()} | {503: "unavailable"}
        raise PrometheusError(kinds.get(fault.code, "internal"), "the simulator was told to fail", fault.code)

    def _thin_out(self, results: list[Result], hits: list[PrometheusFault]) -> tuple[list[Result], list[str]]:
        warnings: list[str] = []
        for fault in hits:
            if fault.effect == "empty":
                results = []
            elif fault.effect == "drop":
                results = [one for one in results if not re.fullmatch(fault.metric, one.labels.get("__name__", ""))]
            elif fault.effect == "partial":
                results = [one for one in results if self._random.random() >= fault.share]
                warnings.append("remote read of one store failed: the answer may be incomplete")
        return results, warnings


async def _parameters(request: Request) -> dict[str, str]:
    parameters = dict(request.query_params)
    if request.method == "POST":
        media_type = request.headers.get("content-type", "").partition(";")[0]
        if media_type == "application/x-www-form-urlencoded":
            parameters |= dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    return parameters


def _time(text: str | None, agenda: Agenda) -> int:
    """Milliseconds since the epoch, from a number of seconds or RFC 3339; now without one."""
    if not text:
        agenda.catch_up()
        return round(agenda.now * 1000)
    try:
        return round(float(text) * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        return round(moment(text) * 1000)
    except ValueError:
        message = f'invalid parameter "time": cannot parse "{text}" to a valid timestamp'
        raise PrometheusError("bad_data", message) from None


def _timeout(text: str | None) -> float:
    if not text:
        return DEFAULT_TIMEOUT
    try:
        # A number of seconds may have decimals, a duration with its unit not.
        seconds = float(text) if text.replace(".", "", 1).isdigit() else None
        if seconds is None and "." in text:
            raise ValueError(text)
        return min(float(str(to_seconds(text if seconds is None else seconds))), DEFAULT_TIMEOUT)
    except ValueError:
        message = f'invalid parameter "timeout": cannot parse "{text}" to a valid duration'
        raise PrometheusError("bad_data", message) from None


def _render(selector: Selector, results: list[Result], warnings: list[str]) -> bytes:
    """Written piece by piece: a range of many series is large, and a general encoder slow on it."""
    series: list[str] = []
    matrix = selector.milliseconds is not None
    for one in results:
        pairs = [f'[{_seconds(time)},"{number(value)}"]' for time, value in zip(one.times, one.values, strict=True)]
        samples = f'"values":[{",".join(pairs)}]' if matrix else f'"value":{pairs[0]}'
        series.append(f'{{"metric":{encode(one.labels).decode()},{samples}}}')
    kind = "matrix" if matrix else "vector"
    tail: Any = "" if not warnings else f',"warnings":{encode(warnings).decode()}'
    data = f'{{"resultType":"{kind}","result":[{",".join(series)}]}}'
    return f'{{"status":"success","data":{data}{tail}}}'.encode()


def _seconds(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".") if rest else str(whole)
