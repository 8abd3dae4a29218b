"""Metrics of the templates that an analysis refers to, as rules of a policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from serinus_contracts import regex
from serinus_contracts.metric import MetricRule
from serinus_contracts.period_stores import STORES
from serinus_contracts.policy import MIN_INTERVAL_SECONDS
from serinus_runtime.documents import Location

from serinus.import_.analyses import Resolved, resolved
from serinus.import_.arguments import NotExpressibleError, left_open, put_in
from serinus.import_.manifests import Manifest, Manifests
from serinus.import_.parts import Analysis, Metric, Prometheus
from serinus.import_.report import ImportReport
from serinus.import_.wording import duration

_LIMITS = ("failureLimit", "inconclusiveLimit", "consecutiveErrorLimit")
_WRITTEN: dict[str, tuple[str, ...]] = {
    "conditions": (), "success": ("successCondition",), "failure": ("failureCondition",),
    "query": ("provider", "prometheus", "query"),
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One metric as a policy has it, with the names it had."""

    template: str
    name: str
    query: str
    address: str
    conditions: Mapping[str, Any]
    origin: Manifest
    place: Location

    @property
    def lasts(self) -> float:
        """Seconds from the analysis' begin to the last measurement, if all are good."""
        measurements = self.conditions["consecutiveSuccessLimit"] or self.conditions["count"] or 1
        return float(self.conditions["initialDelay"] + (measurements - 1) * (self.conditions["interval"] or 0.0))


def rules(manifests: Manifests, analysis: Analysis, where: Location, over: str, report: ImportReport) -> list[Rule]:
    """The rules of one analysis of the Rollout, which stands at `where`."""
    found = resolved(manifests, analysis, where, report)
    return list(_rules(found, over, report)) if found else []


def _rules(found: Resolved, over: str, report: ImportReport) -> Iterator[Rule]:
    for manifest, template in found.templates:
        for index, raw in enumerate(template.metrics):
            place: Location = ("spec", "metrics", index)
            name = str(raw.get("name", f"metrics[{index}]"))
            try:
                yield _rule(manifest, place, put_in(raw, found.arguments), over, found.dry, report)
            except NotExpressibleError as error:
                report.lose(manifest.problem(place, f"metric {name} of {manifest.name}: {error}"))
            except ValidationError as error:
                for item in error.errors():
                    inside = [part for key in item["loc"] for part in _WRITTEN.get(str(key), (key,))]
                    where = ".".join(map(str, inside))
                    message = item["msg"].removeprefix("Value error, ")
                    text = f"metric {name} of {manifest.name}: {where + ': ' if where else ''}{message}"
                    report.lose(manifest.problem((*place, *inside), text))


def _rule(manifest: Manifest, place: Location, raw: Any, over: str, dry: Any, report: ImportReport) -> Rule:
    metric = Metric.model_validate(raw)
    if list(metric.provider) != ["prometheus"]:
        named = ", ".join(map(str, metric.provider)) or "missing"
        store = STORES.get(named.lower())
        way = f"; {store} gives counts, as docs/how-to/stores.md shows" if store else ""
        raise NotExpressibleError(f"provider {named}: only prometheus is asked for conditions{way}")
    asked = Prometheus.model_validate(metric.provider["prometheus"])
    extra = asked.model_extra or {}
    if extra.get("rangeQuery"):
        raise NotExpressibleError("prometheus.rangeQuery: a policy asks for the present only")
    for name in (name for name, value in extra.items() if value):
        report.note(
            f"{manifest.file}: metric {metric.name}: prometheus.{name} is not the policy's: set up the collector"
        )
    for name in metric.model_extra or {}:
        report.lose(manifest.problem((*place, name), f"metric {metric.name}: {name} is not known and was left out"))
    texts = (asked.query, metric.successCondition or "", metric.failureCondition or "")
    if unfilled := [*left_open(texts[0]), *(tag for text in texts[1:] if "{{" in text for tag in [text])]:
        raise NotExpressibleError(f"{unfilled[0]} is filled in by nobody there")
    conditions: dict[str, Any] = {
        "success": metric.successCondition or None,
        "failure": metric.failureCondition or None,
    }
    conditions |= {"over": over, "interval": metric.interval, "initialDelay": metric.initialDelay or 0.0}
    conditions |= {"count": metric.count or None}
    conditions |= {name: getattr(metric, name) for name in _LIMITS}
    conditions |= {"consecutiveSuccessLimit": metric.consecutiveSuccessLimit or None}
    conditions["dryRun"] = any(regex.found(rule, metric.name) for rule in dry)
    if metric.interval and metric.interval < MIN_INTERVAL_SECONDS:
        least = duration(MIN_INTERVAL_SECONDS)
        raise NotExpressibleError(f"interval: {raw['interval']} is less than a policy can, {least}")
    query = _lines(asked.query)
    MetricRule.model_validate({"name": "m", "query": query, "conditions": conditions})
    if metric.failureCondition and not metric.successCondition:
        report.note(
            f"{manifest.file}: metric {metric.name} has only a failureCondition: a value of NaN passes, as with Argo; "
            "write isNaN(result[0]) || ... where it should not"
        )
    return Rule(manifest.name, metric.name, query, asked.address, conditions, manifest, place)


def _lines(query: str) -> str:
    """Without blanks at the ends, which YAML could write only as escapes."""
    return "\n".join(line.rstrip() for line in query.strip().splitlines())
