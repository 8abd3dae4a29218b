"""Metrics of the templates that an analysis refers to, as rules of a policy."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from serinus_contracts.metric import Conditions
from serinus_runtime.documents import DocumentError, Location, Problem

from serinus.import_.arguments import NotExpressibleError, left_open, put_in, values
from serinus.import_.manifests import Manifest, Manifests
from serinus.import_.parts import Analysis, Metric, Prometheus, Ref, Template

_LIMITS = ("failureLimit", "inconclusiveLimit", "consecutiveErrorLimit")
_WRITTEN = {"success": "successCondition", "failure": "failureCondition"}


@dataclass
class ImportReport:
    """What a person should know: `lost` is judged by Argo and not by the policy, `notes` change no judgement.

    `used` are the names of templates that were referred to.
    """

    lost: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def lose(self, *problems: Problem) -> None:
        """Each once, however many steps refer to the template."""
        self.lost += [problem for problem in dict.fromkeys(problems) if problem not in self.lost]

    def note(self, text: str) -> None:
        """What a person should know or finish by hand; the same is said once."""
        if text not in self.notes:
            self.notes.append(text)


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


def rules(manifests: Manifests, analysis: Analysis, where: Location, over: str, report: ImportReport) -> list[Rule]:
    """The rules of one analysis of the Rollout, which stands at `where`."""
    return list(_rules(manifests, analysis, where, over, report))


def _rules(
    manifests: Manifests, analysis: Analysis, where: Location, over: str, report: ImportReport
) -> Iterator[Rule]:
    rollout = manifests.rollout
    _extras(rollout, where, analysis, report)
    templates = list(_templates(manifests, analysis.templates, (*where, "templates"), rollout, report, ()))
    declared = [argument for _, template in templates for argument in template.args]
    for name in {argument.name for argument in analysis.args} - {argument.name for argument in declared}:
        report.note(
            f"{rollout.file}: args.{name} is declared by no template, so Argo refuses this Rollout; its value was used"
        )
    arguments = values(analysis.args, declared, rollout.body)
    dry = [rule.metricName for one in (analysis, *(template for _, template in templates)) for rule in one.dryRun]
    for manifest, template in templates:
        for index, raw in enumerate(template.metrics):
            place: Location = ("spec", "metrics", index)
            name = str(raw.get("name", f"metrics[{index}]"))
            try:
                yield _rule(manifest, place, put_in(raw, arguments), over, dry, report)
            except NotExpressibleError as error:
                report.lose(manifest.problem(place, f"metric {name} of {manifest.name}: {error}"))
            except ValidationError as error:
                for item in error.errors():
                    where = tuple(_WRITTEN.get(str(part), part) for part in item["loc"])
                    message = item["msg"].removeprefix("Value error, ")
                    field_name = ".".join(map(str, where))
                    text = f"metric {name} of {manifest.name}: {field_name + ': ' if field_name else ''}{message}"
                    report.lose(manifest.problem((*place, *where), text))


def _templates(
    manifests: Manifests,
    refs: tuple[Ref, ...],
    where: Location,
    by: Manifest,
    report: ImportReport,
    above: tuple[str, ...],
) -> Iterator[tuple[Manifest, Template]]:
    """The templates that are referred to, also by one another."""
    for index, ref in enumerate(refs):
        kind = "ClusterAnalysisTemplate" if ref.clusterScope else "AnalysisTemplate"
        manifest = manifests.templates.get((kind, ref.templateName))
        if manifest is None or ref.templateName in above:
            why = "refers to itself" if manifest else "is in none of the files"
            report.lose(by.problem((*where, index), f"{kind} {ref.templateName} {why}"))
            continue
        report.used.add(manifest.name)
        try:
            template = manifest.checked(Template, manifest.part("spec"), ("spec",))
        except DocumentError as error:
            report.lose(*error.problems)
            continue
        _extras(manifest, ("spec",), template, report)
        yield manifest, template
        inside = (*above, ref.templateName)
        yield from _templates(manifests, template.templates, ("spec", "templates"), manifest, report, inside)


def _extras(manifest: Manifest, where: Location, analysis: Analysis, report: ImportReport) -> None:
    for name in analysis.model_extra or {}:
        report.lose(manifest.problem((*where, name), f"{name} is not known here and was left out"))
    if analysis.measurementRetention is not None:
        report.note(f"{manifest.file}: measurementRetention is left out: every verdict stays in its stream")
    if analysis.analysisRunMetadata is not None:
        report.note(f"{manifest.file}: analysisRunMetadata is left out: Serinus creates no AnalysisRun")


def _rule(manifest: Manifest, place: Location, raw: Any, over: str, dry: list[str], report: ImportReport) -> Rule:
    metric = Metric.model_validate(raw)
    if list(metric.provider) != ["prometheus"]:
        raise NotExpressibleError(f"provider {', '.join(metric.provider) or 'missing'}: only prometheus is asked")
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
    conditions |= {"over": over, "interval": metric.interval or None, "initialDelay": metric.initialDelay}
    conditions |= {"count": metric.count or None}
    conditions |= {name: getattr(metric, name) for name in _LIMITS}
    conditions |= {"consecutiveSuccessLimit": metric.consecutiveSuccessLimit or None}
    conditions["dryRun"] = any(rule == "*" or re.search(rule, metric.name) for rule in dry)
    Conditions.model_validate(conditions)
    if metric.failureCondition and not metric.successCondition:
        report.note(
            f"{manifest.file}: metric {metric.name} has only a failureCondition: a value of NaN passes, as with Argo; "
            "write isNaN(result[0]) || ... where it should not"
        )
    return Rule(manifest.name, metric.name, _lines(asked.query), asked.address, conditions, manifest, place)


def _lines(query: str) -> str:
    """Without blanks at the ends, which YAML could write only as escapes."""
    return "\n".join(line.rstrip() for line in query.strip().splitlines())
