"""From manifests to a policy, with what is left out and the steps that it needs."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

from pydantic import ValidationError
from serinus_contracts import CanaryPolicy
from serinus_contracts.weight import weight_text
from serinus_runtime.documents import DocumentError

from serinus.import_.manifests import Manifests
from serinus.import_.metrics import ImportReport, Rule, rules
from serinus.import_.parts import Canary
from serinus.import_.steps import CANARY, STEPS, Stage, diff, gated, read_canary, stages_of

SPARE = 1800.0
"""Seconds that a stage has at least beyond its pause and analyses before its time is called spent."""
LOOK = 30.0


@dataclass(frozen=True)
class Imported:
    """A policy as a document, steps for enforcing it, and what a person should know."""

    policy: dict[str, Any]
    steps: list[Any]
    diff: str
    report: ImportReport


def convert(manifests: Manifests, mode: Literal["shadow", "guard", "enforce"]) -> Imported:
    """Raises DocumentError if no policy comes of it."""
    rollout, report = manifests.rollout, ImportReport()
    canary, steps = read_canary(rollout)
    stages = stages_of(steps, canary.max_weight)
    if not stages:
        raise DocumentError([rollout.problem(STEPS, "no setWeight among the steps: there is no stage to judge")])
    used = list(_used(manifests, canary, stages, report))
    _aside(manifests, canary, stages, report)
    metrics = _metrics(used, stages, report)
    if not metrics:
        lines = [*report.lost] or [rollout.problem(STEPS, "no analysis: there is nothing to import")]
        raise DocumentError(lines)
    spec: dict[str, Any] = {
        "match": {"namespace": _namespace(manifests), "name": rollout.name},
        "mode": mode,
        "interval": _duration(_interval(metrics)),
        "stages": list(_stages(stages, metrics)),
        "judge": {"name": "threshold"},
        "metrics": [metric | {"conditions": _plain(metric["conditions"])} for metric in metrics],
    }
    spec["match"] = {key: value for key, value in spec["match"].items() if value}
    policy = {
        "apiVersion": "serinus.dev/v1alpha1", "kind": "CanaryPolicy", "metadata": {"name": rollout.name}, "spec": spec,
    }  # fmt: skip
    try:
        CanaryPolicy.model_validate(policy)
    except ValidationError as error:
        told_by = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise DocumentError.about(rollout.file, f"no policy comes of it: {'; '.join(told_by)}") from error
    wanted = gated(canary.steps, steps, stages)
    return Imported(policy, wanted, diff(rollout, wanted), report)


def _used(
    manifests: Manifests, canary: Canary, stages: Sequence[Stage], report: ImportReport
) -> Iterator[tuple[Rule, tuple[float, ...]]]:
    """Every metric of every analysis, with the weights at which it is measured."""
    for stage in stages:
        for index, analysis in stage.analyses:
            for rule in rules(manifests, analysis, (*STEPS, index, "analysis"), "stage", report):
                yield rule, (stage.weight,)
    background = canary.analysis
    if background is not None:
        ends = [*(stage.first for stage in stages[1:]), float("inf")]
        weights = [stage.weight for stage, end in zip(stages, ends, strict=True) if end > background.startingStep]
        for rule in rules(manifests, background, (*CANARY, "analysis"), "run", report):
            yield rule, tuple(weights)


def _metrics(
    used: Sequence[tuple[Rule, tuple[float, ...]]], stages: Sequence[Stage], report: ImportReport
) -> list[dict[str, Any]]:
    """One metric for what is asked alike, wherever it is asked."""
    alike: dict[tuple[Any, ...], tuple[Rule, list[float]]] = {}
    address = next((rule.address for rule, _ in used), "")
    for rule, weights in used:
        if rule.address != address:
            text = f"metric {rule.name} of {rule.template} asks {rule.address}: a policy asks one provider, {address}"
            report.lose(rule.origin.problem(rule.place, text))
            continue
        key = (rule.template, rule.name, rule.query, *rule.conditions.items())
        alike.setdefault(key, (rule, []))[1].extend(weights)
    if address:
        report.note(f"the collector's provider main is to be {address}: SERINUS_PROVIDERS=main={address}")
    names = [_name(rule.name) for rule, _ in alike.values()]
    every = {stage.weight for stage in stages}
    metrics: list[dict[str, Any]] = []
    for rule, measured in alike.values():
        name = _name(rule.name)
        if names.count(name) > 1:
            name = _name(f"{rule.template}-{rule.name}")
        known = [metric["name"] for metric in metrics]
        number = next((n for n in range(2, 99) if f"{name[:60]}-{n}" not in known), 99)
        conditions = dict(rule.conditions)
        if set(measured) != every:
            conditions["weights"] = sorted(set(measured))
        name = f"{name[:60]}-{number}" if name in known else name
        metrics.append({"name": name, "query": rule.query, "conditions": conditions})
    return metrics


def _stages(stages: Sequence[Stage], metrics: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for stage in {stage.weight: stage for stage in stages}.values():
        asked = [metric["conditions"] for metric in metrics]
        here = [one for one in asked if one["over"] == "stage" and stage.weight in one.get("weights", [stage.weight])]
        longest = max((one["initialDelay"] + (one["count"] or 1) * (one["interval"] or 0) for one in here), default=0)
        made = {"weight": stage.weight, "minimum": _duration(stage.pause)}
        made["maximum"] = _duration(stage.pause + max(2 * longest, SPARE))
        yield made | ({"approval": "required"} if stage.gates else {})


def _aside(manifests: Manifests, canary: Canary, stages: Sequence[Stage], report: ImportReport) -> None:
    """What the steps say and a policy does not."""
    rollout = manifests.rollout
    for index, step in enumerate(canary.steps):
        place = (*STEPS, index)
        if index < stages[0].first and "analysis" in step:
            report.lose(rollout.problem(place, "an analysis before the first setWeight stays with Argo"))
        for kind in step:
            if kind not in ("setWeight", "pause", "analysis"):
                report.note(f"{rollout.file}: steps[{index}].{kind} stays in the Rollout as it is")
    weights = [stage.weight for stage in stages]
    for stage in stages:
        weight = weight_text(stage.weight)
        if weights.count(stage.weight) > 1:
            report.note(f"{rollout.file}: weight {weight} is set twice: a policy has one stage rule for a weight")
        if stage.after_gate:
            report.note(f"{rollout.file}: at {weight} a person is asked last, after the verdict, not before it")
    for (kind, name), manifest in manifests.templates.items():
        if name not in report.used:
            report.note(f"{manifest.file}: {kind} {name} is not referred to by the Rollout and was left out")


def _namespace(manifests: Manifests) -> str:
    return str(manifests.rollout.part("metadata").get("namespace") or "")


def _interval(metrics: Sequence[dict[str, Any]]) -> float:
    """Seconds between snapshots, at which every metric can be measured in time."""
    asked = [metric["conditions"]["interval"] for metric in metrics if metric["conditions"]["interval"]]
    return gcd(*(round(1000 * one) for one in asked)) / 1000 if asked else LOOK


def _name(text: str) -> str:
    """As a policy's metric may be called."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    return (plain if plain[:1].isalpha() else f"m-{plain}")[:63]


def _plain(conditions: dict[str, Any]) -> dict[str, Any]:
    """What is said, with durations as a person writes them, and every number that the template gives or leaves open."""
    said = {key: value for key, value in conditions.items() if value is not None and value is not False}
    for key in ("interval", "initialDelay"):
        if said.get(key):
            said[key] = _duration(said[key])
        else:
            said.pop(key, None)
    return said


def _duration(seconds: float) -> str:
    """30s, 5m, 1h30m, 1.5s"""
    if seconds != round(seconds):
        return f"{seconds:g}s"
    parts = zip((seconds // 3600, seconds // 60 % 60, seconds % 60), "hms", strict=True)
    return "".join(f"{int(number)}{unit}" for number, unit in parts if number) or "0s"
