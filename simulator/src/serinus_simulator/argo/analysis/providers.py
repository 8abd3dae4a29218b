"""Taking a measurement: Argo's `web` and `prometheus` providers.

A `prometheus` whose address is one of this machine is asked over HTTP, be it a real one or another simulator. Any
other name is that of a Service in the simulated cluster, and the world's own Prometheus answers for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from serinus_judging.argo_analysis.conditions import ExpressionError, parse

from serinus_simulator.argo.analysis.assessing import measured_phase
from serinus_simulator.argo.analysis.jsonpath import JsonPathError, first
from serinus_simulator.argo.analysis.metrics import Metric
from serinus_simulator.fetching import Answered, Asked, Fetch, allowed
from serinus_simulator.kubernetes.kinds import Object
from serinus_simulator.prometheus.series import number

WEB_TIMEOUT = 10.0
PROMETHEUS_TIMEOUT = 30.0
"""Seconds that a request may take unless the metric says otherwise."""
Outcome = tuple[str, str | None, str]
"""The phase of a measurement, its value as a text, and its message."""
Tell = Callable[[Outcome], None]


class OwnPrometheus(Protocol):
    """The world's own: answers a query as HTTP would, sooner or later."""

    def __call__(self, query: str, timeout: float, tell: Callable[[Answered], None]) -> None: ...


class Providers:
    """Measures metrics. `lenient` is v1.9.1, to which an answer that is no JSON is a success."""

    def __init__(self, fetch: Fetch, own_prometheus: OwnPrometheus, *, lenient: bool) -> None:
        self._fetch = fetch
        self._own_prometheus = own_prometheus
        self._lenient = lenient

    def measure(self, metric: Metric, tell: Tell) -> None:
        """Tells the outcome, at once or later."""
        settings = metric.provider.get(metric.provider_name) or {}
        if metric.provider_name == "web":
            self._web(metric, settings, tell)
        elif metric.provider_name == "prometheus":
            self._prometheus(metric, settings, tell)
        else:
            known = "the simulator knows the providers web and prometheus"
            tell(_error(f"provider {metric.provider_name}: {known}"))

    def _web(self, metric: Metric, settings: Object, tell: Tell) -> None:
        method = str(settings.get("method") or "GET")
        url, body, json_body = str(settings.get("url", "")), settings.get("body"), settings.get("jsonBody")
        if (settings.get("authentication") or {}).get("oauth2"):
            tell(_error("web.authentication.oauth2: the simulator does not know it"))
            return
        if body and json_body is not None:
            tell(_error("web: use either body or jsonBody"))
            return
        if method == "GET" and (body or json_body is not None):
            tell(_error("web: a GET has no body"))
            return
        headers = {str(one["key"]): str(one["value"]) for one in settings.get("headers") or []}
        if json_body is not None:
            headers["Content-Type"] = "application/json"
        content = json.dumps(json_body) if json_body is not None else str(body or "")
        timeout = float(settings.get("timeoutSeconds") or 0)
        asked = Asked(url, method, headers, content.encode() or None, timeout if timeout > 0 else WEB_TIMEOUT)
        self._fetch(asked, lambda answered: tell(self._read_web(metric, settings, answered)))

    def _read_web(self, metric: Metric, settings: Object, answered: Answered) -> Outcome:
        if not 200 <= answered.code < 300:
            return _error(answered.error or f"received non 2xx response code: {answered.code}")
        text = answered.body.decode("utf-8", "replace")
        try:
            # every number of JSON is a float64 in Go
            data = json.loads(text, parse_int=float)
        except ValueError:
            return ("Successful", text, "") if self._lenient else self._judged(metric, text, text)
        try:
            value = first(str(settings.get("jsonPath") or "{$}"), data)
        except JsonPathError as error:
            return _error(f"Could not find JSONPath in body: {error}")
        return self._judged(metric, value, _compact(value))

    def _prometheus(self, metric: Metric, settings: Object, tell: Tell) -> None:
        address, query = str(settings.get("address", "")), str(settings.get("query", ""))
        host = urlsplit(address).hostname
        if not address or not host:
            tell(_error("prometheus address is not configured" if not address else "prometheus address is no URL"))
            return
        for name in ("rangeQuery", "insecure"):
            if settings.get(name):
                tell(_error(f"prometheus.{name}: the simulator does not know it"))
                return
        timeout = float(settings.get("timeout") or PROMETHEUS_TIMEOUT)

        def read(answered: Answered) -> None:
            tell(self._read_prometheus(metric, answered))

        if not allowed(address) and not host[-1].isdigit():
            self._own_prometheus(query, timeout, read)
            return
        headers = {str(one["key"]): str(one["value"]) for one in settings.get("headers") or []}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"{address.rstrip('/')}/api/v1/query"
        self._fetch(Asked(url, "POST", headers, urlencode({"query": query}).encode(), timeout), read)

    def _read_prometheus(self, metric: Metric, answered: Answered) -> Outcome:
        if answered.error:
            return _error(answered.error)
        try:
            answer = json.loads(answered.body)
            if answer["status"] != "success":
                return _error(f"{answer['errorType']}: {answer['error']}")
            kind, result = answer["data"]["resultType"], answer["data"]["result"]
        except (ValueError, TypeError, KeyError):
            return _error(f"bad_response: no answer of Prometheus, with the code {answered.code}")
        if kind == "scalar":
            value = _float(result[1])
            return self._judged(metric, value, _shown(value))
        if kind == "vector":
            values = tuple(_float(series["value"][1]) for series in result)
        elif kind == "matrix":
            values = tuple(_float(value) for series in result for _, value in series["values"])
        else:
            return _error("Prometheus metric type not supported")
        return self._judged(metric, values, f"[{','.join(map(_shown, values))}]")

    def _judged(self, metric: Metric, result: Any, text: str) -> Outcome:
        """Both conditions on a result. An error takes the value with it."""
        verdicts: list[bool | None] = []
        for name, condition in (("successCondition", metric.success), ("failureCondition", metric.failure)):
            try:
                verdicts.append(parse(condition).holds(result) if condition else None)
            except ExpressionError as error:
                if self._lenient:
                    return _error(str(error))
                empty = result is None or result in ([], ())
                why = "the measured result is empty" if empty else str(error)
                return _error(f'could not evaluate {name} "{condition}": {why}')
        return measured_phase(*verdicts), text, ""


def _error(message: str) -> Outcome:
    return "Error", None, message


def _float(text: str) -> float:
    return float(text.replace("Inf", "inf"))


def _shown(value: float) -> str:
    return number(value)


def _compact(value: Any) -> str:
    """JSON as Go writes it: keys in order, whole numbers without a fraction."""

    def whole(inner: Any) -> Any:
        if isinstance(inner, float) and math.isfinite(inner) and inner == int(inner):
            return int(inner)
        if isinstance(inner, dict):
            return {key: whole(one) for key, one in inner.items()}
        return [whole(one) for one in inner] if isinstance(inner, list) else inner

    return json.dumps(whole(value), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
