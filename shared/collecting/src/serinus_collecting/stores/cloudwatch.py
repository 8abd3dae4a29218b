"""CloudWatch's sums by period, by GetMetricData in its JSON form, signed as the provider's `sigv4` says."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from serinus_contracts import Selector
from serinus_contracts.base import Millis
from serinus_contracts.period_stores import CloudWatchMetric, cloudwatch_metric
from serinus_counting.periods import Periods, PeriodSums

from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.ports import ProviderError
from serinus_collecting.stores.asking import ApiAnswer, asked

TARGET = "GraniteServiceVersion20100801.GetMetricData"
CONTENT_TYPE = "application/x-amz-json-1.0"
# A day of minutes of as many metrics as a plan may have takes three.
MAX_PAGES = 10
_WHO = "CloudWatch"


@dataclass
class _Sums:
    """What was told so far of one metric; the last page's status holds."""

    counts: dict[Millis, float] = field(default_factory=dict)
    status: str = ""
    messages: list[str] = field(default_factory=list)


class CloudWatch(PeriodProvider):
    """Sums of metrics by their namespace, name and dimensions; the client signs."""

    api = "cloudwatch"

    def __init__(self, client: httpx.AsyncClient, url: str, periods: Periods, *, timeout: float) -> None:
        self.periods = periods
        self._client, self._url, self._timeout = client, url.rstrip("/") + "/", timeout

    async def sums(self, selectors: Sequence[Selector], begin: Millis, end: Millis) -> Sequence[PeriodSums]:
        try:
            metrics = [cloudwatch_metric(selector) for selector in selectors]
        except ValueError as error:
            raise ProviderError(str(error)) from None
        question: dict[str, Any] = {
            "MetricDataQueries": [self._query(number, one) for number, one in enumerate(metrics)],
            "StartTime": begin // 1000,
            "EndTime": end // 1000,
            "ScanBy": "TimestampAscending",
        }
        found = {query["Id"]: _Sums() for query in question["MetricDataQueries"]}
        said: list[str] = []
        for _ in range(MAX_PAGES):
            token = self._read(await self._ask(question), found, said)
            if not token:
                break
            question["NextToken"] = token
        else:
            said.append(f"it has more than {MAX_PAGES} pages")
        return [_sums(one, said) for one in found.values()]

    def _query(self, number: int, metric: CloudWatchMetric) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
        named = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
        stat = {"Metric": named, "Period": self.periods.period_ms // 1000, "Stat": "Sum"}
        return {"Id": f"m{number}", "MetricStat": stat, "ReturnData": True}

    async def _ask(self, question: dict[str, Any]) -> ApiAnswer:
        headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET}
        body = json.dumps(question, separators=(",", ":")).encode()
        request = self._client.build_request("POST", self._url, content=body, headers=headers, timeout=self._timeout)
        return await asked(self._client, request, who=_WHO, timeout=self._timeout)

    def _read(self, answer: ApiAnswer, found: dict[str, _Sums], said: list[str]) -> str | None:
        """Take in a page; gives the token of the next one. Raises ProviderError."""
        try:
            document: Any = orjson.loads(answer.body)
            if answer.status != httpx.codes.OK:
                raise ProviderError(_refusal(answer, document))
            said += _told(document)
            for result in document["MetricDataResults"]:
                one = found[result["Id"]]
                one.status = result["StatusCode"]
                one.messages += _told(result)
                for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                    self._take(one.counts, round(1000 * at), float(value))
            token: str | None = document.get("NextToken")
        except (orjson.JSONDecodeError, AttributeError):
            raise ProviderError(f"CloudWatch answered HTTP {answer.status} without its JSON") from None
        except (TypeError, KeyError, ValueError) as error:
            raise ProviderError(f"CloudWatch's answer has an unknown form: {type(error).__name__}: {error}") from None
        return token

    def _take(self, counts: dict[Millis, float], at: Millis, value: float) -> None:
        if at % self.periods.period_ms or at in counts:
            raise ValueError(f"a point at {at}, which begins no period or was told before")
        counts[at] = value


def _sums(one: _Sums, said: Sequence[str]) -> PeriodSums:
    if one.status not in ("Complete", "PartialData"):
        why = "".join(f", {message}" for message in one.messages)
        raise ProviderError(f"CloudWatch says {one.status or 'nothing'} of a metric{why}")
    partial = [*one.messages, *said]
    if one.status == "PartialData":
        partial.insert(0, one.status)
    return PeriodSums(one.counts, f"CloudWatch's answer is partial: {', '.join(partial)}" if partial else "")


def _told(document: Any) -> list[str]:
    messages = document.get("Messages") or ()
    return [f"{one.get('Code', '')} {one.get('Value', '')}".strip()[:300] for one in messages]


def _refusal(answer: ApiAnswer, document: Any) -> str:
    kind = (
        str(document.get("__type") or answer.headers.get("x-amzn-errortype", "")).rpartition("#")[2].partition(":")[0]
    )
    said = str(document.get("message") or document.get("Message") or "")
    why = f"CloudWatch answered HTTP {answer.status}{''.join(f', {one[:300]}' for one in (kind, said) if one)}"
    if "AccessDenied" in kind:
        return f"{why}: it needs cloudwatch:GetMetricData"
    return f"{why}: a longer spec.interval, or a higher quota" if "Throttling" in kind else why
