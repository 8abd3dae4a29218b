"""CloudWatch's GetMetricData for sums by period in its JSON form (awsJson 1.0), as its documents have it.

A metric is its namespace, name and exactly the dimensions that it was published with; a period with nothing published
has no point. Points come page by page. Signatures are looked for and not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serinus_simulator.stores.points import PointSource

NAMESPACE = "Shop"
# Each series is published for itself, and added up over its statuses.
PUBLISHED = (
    frozenset({"namespace", "rollouts_pod_template_hash"}),
    frozenset({"namespace", "rollouts_pod_template_hash", "code"}),
)
MAX_QUERIES = 500
MAX_POINTS = 100_800
_TARGET = "GraniteServiceVersion20100801.GetMetricData"
_SHORT = (1, 5, 10, 20, 30)


class CloudWatchApi:
    """Answers from `points`; `page` is how many of them one answer has at most."""

    def __init__(self, points: PointSource, page: int = MAX_POINTS) -> None:
        self._points, self.page, self.asked = points, page, 0

    async def handle(self, request: Request) -> Response:
        """POST /"""
        self.asked += 1
        signed = re.search(r"SignedHeaders=([^,]+)", request.headers.get("authorization", ""))
        if signed is None or not {"host", "x-amz-date", "x-amz-target"} <= {*signed[1].split(";")}:
            return _refused("MissingAuthenticationTokenException", "Request is missing Authentication Token", 403)
        if request.headers.get("x-amz-target") != _TARGET:
            return _refused("UnknownOperationException", "", 400)
        try:
            return JSONResponse(self._answer(json.loads(await request.body())), media_type="application/x-amz-json-1.0")
        except (KeyError, TypeError, ValueError) as error:
            return _refused("ValidationError", f"The parameter is invalid: {error}", 400)

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        queries, begin, end = asked["MetricDataQueries"], asked["StartTime"], asked["EndTime"]
        if len(queries) > MAX_QUERIES or not begin < end or asked.get("ScanBy") != "TimestampAscending":
            raise ValueError("too many queries, no time between StartTime and EndTime, or another order")
        series = [(query["Id"], self._sums(query["MetricStat"], begin, end)) for query in queries]
        flat = [(id_, at, value) for id_, sums in series for at, value in sorted(sums.items())]
        first = int(asked.get("NextToken", 0))
        shown, left = flat[first : first + self.page], flat[first + self.page :]
        results = []
        for id_, _ in series:
            points = [(at, value) for of, at, value in shown if of == id_]
            partial = any(of == id_ for of, _, _ in left)
            results.append(
                {
                    "Id": id_,
                    "Label": id_,
                    "StatusCode": "PartialData" if partial else "Complete",
                    "Timestamps": [float(at) for at, _ in points],
                    "Values": [value for _, value in points],
                }
            )
        answer = {"MetricDataResults": results, "Messages": []}
        return answer | ({"NextToken": str(first + self.page)} if left else {})

    def _sums(self, stat: Mapping[str, Any], begin: int, end: int) -> dict[int, float]:
        metric, period = stat["Metric"], stat["Period"]
        if stat["Stat"] != "Sum" or not (period in _SHORT or period % 60 == 0):
            raise ValueError("Stat or Period")
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        sums: dict[int, float] = {}
        if metric["Namespace"] != NAMESPACE or frozenset(dimensions) not in PUBLISHED:
            return sums
        # The time is rounded down to the period, and its end is no part of it.
        for point in self._points(metric["MetricName"], 1000 * (begin // period * period), 1000 * end):
            if all(point.tags.get(name) == value for name, value in dimensions.items()):
                at = point.at // (1000 * period) * period
                sums[at] = sums.get(at, 0.0) + point.count
        return sums


def _refused(kind: str, message: str, status: int) -> Response:
    body = {"__type": f"com.amazonaws.cloudwatch.v2010_08_01#{kind}", "message": message}
    return JSONResponse(body, status, media_type="application/x-amz-json-1.0")
