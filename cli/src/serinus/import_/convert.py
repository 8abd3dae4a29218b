"""From manifests to a policy, with what is left out and the steps that it needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, gcd
from typing import Any, Literal

from pydantic import ValidationError
from serinus_contracts import CanaryPolicy
from serinus_contracts.policy import MIN_INTERVAL_SECONDS
from serinus_contracts.weight import weight_text
from serinus_rollouts.policy_documents import problem_text
from serinus_runtime.documents import DocumentError

from serinus.import_.foreign import way
from serinus.import_.manifests import Manifests
from serinus.import_.metrics import Rule
from serinus.import_.parts import Canary
from serinus.import_.report import ImportReport
from serinus.import_.steps import STEPS, Stage, diff, gated, read_canary, stages_of
from serinus.import_.uses import Use, uses
from serinus.import_.wording import duration, metric_name

SPARE = 1800.0
"""Seconds that a stage has at least beyond its pause and analyses before its time is called spent."""
INTERVAL = 30.0
"""Seconds between snapshots at most: a first measurement comes with the first snapshot after it is due."""


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
    used = list(uses(manifests, canary, stages, report))
    _aside(manifests, canary, stages, report)
    metrics = _metrics(used, stages, report)
    interval = _interval(rollout.file, metrics, report)
    if not metrics:
        lines = [*report.lost] or [rollout.problem(STEPS, "no analysis: there is nothing to import")]
        raise DocumentError(lines)
    spec: dict[str, Any] = {
        "match": {"namespace": rollout.namespace, "name": rollout.name},
        "mode": mode,
        "interval": duration(interval),
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
        raise DocumentError(
            [
                rollout.problem(("metadata", "name"), f"no policy comes of it: {problem_text(one)}")
                for one in error.errors()
            ]
        ) from error
    wanted = gated(canary.steps, steps, stages)
    return Imported(policy, wanted, diff(rollout, wanted), report)


def _metrics(used: Sequence[Use], stages: Sequence[Stage], report: ImportReport) -> list[dict[str, Any]]:
    """One metric for what is asked alike, wherever it is asked."""
    alike: dict[tuple[Any, ...], tuple[Rule, dict[str, Any], list[float]]] = {}
    address = next((one.rule.address for one in used), "")
    for rule, weights, start_after in ((one.rule, one.weights, one.start_after) for one in used):
        if rule.address != address:
            text = f"metric {rule.name} of {rule.template} asks {rule.address}: a policy asks one provider, {address}"
            report.lose(rule.origin.problem(rule.place, text))
            continue
        conditions = dict(rule.conditions) | {"startAfter": start_after}
        key = (rule.template, rule.name, rule.query, *conditions.items())
        alike.setdefault(key, (rule, conditions, []))[2].extend(weights)
    if address:
        report.note(f"the collector's provider main is to be {address}: SERINUS_PROVIDERS=main={address}")
    names = [metric_name(rule.name) for rule, _, _ in alike.values()]
    every = {stage.weight for stage in stages}
    metrics: list[dict[str, Any]] = []
    for rule, conditions, measured in alike.values():
        name = metric_name(rule.name)
        if names.count(name) > 1:
            name = metric_name(f"{rule.template}-{rule.name}")
        known = [metric["name"] for metric in metrics]
        number = next((n for n in range(2, 99) if f"{name[:60]}-{n}" not in known), 99)
        if set(measured) != every:
            conditions["weights"] = sorted(set(measured))
        name = f"{name[:60]}-{number}" if name in known else name
        metrics.append({"name": name, "query": rule.query, "conditions": conditions})
    return metrics


def _stages(stages: Sequence[Stage], metrics: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for weight in dict.fromkeys(stage.weight for stage in stages):
        alike = [stage for stage in stages if stage.weight == weight]
        asked = [metric["conditions"] for metric in metrics]
        here = [one for one in asked if one["over"] == "stage" and weight in one.get("weights", [weight])]
        longest = max((_lasts(one) for one in here), default=0)
        pause = max(stage.pause for stage in alike)
        made = {"weight": weight, "minimum": duration(pause), "maximum": duration(pause + max(2 * longest, SPARE))}
        yield made | ({"approval": "required"} if any(stage.gates for stage in alike) else {})


def _lasts(conditions: dict[str, Any]) -> float:
    """Seconds that a metric may take, counted from the stage's minimum or, where it starts by itself, its begin."""
    measurements = max(conditions["count"] or 1, conditions["consecutiveSuccessLimit"] or 0)
    measuring = conditions["initialDelay"] + measurements * (conditions["interval"] or 0)
    return float((conditions["startAfter"] or 0) + measuring)


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
    for twice in sorted({weight for weight in weights if weights.count(weight) > 1}):
        report.note(
            f"{rollout.file}: weight {weight_text(twice)} is set twice: a policy has one stage rule for a weight, "
            "with the longest of the pauses, and asks a person if one of them does"
        )
    for stage in stages:
        weight = weight_text(stage.weight)
        if stage.after_gate:
            report.note(f"{rollout.file}: at {weight} a person is asked last, after the verdict, not before it")
    for (kind, name), manifest in manifests.templates.items():
        if name not in report.used:
            report.note(f"{manifest.file}: {kind} {name} is not referred to by the Rollout and was left out")
    _tell_passed_over(manifests, report)


def _tell_passed_over(manifests: Manifests, report: ImportReport) -> None:
    others: dict[str, list[str]] = {}
    for one in manifests.passed_over:
        if other := way(one.body):
            report.note(f"{one.file}: passed over: {other}")
        else:
            where = f" of namespace {one.namespace}" if one.argos else ""
            others.setdefault(one.file, []).append(f"{one.kind} {one.name}{where}".rstrip())
    for file, names in others.items():
        report.note(f"{file}: passed over: {', '.join(names)}")


def _interval(file: str, metrics: Sequence[dict[str, Any]], report: ImportReport) -> float:
    """Seconds between snapshots: a part of every metric's interval, so that it is kept, and INTERVAL at most."""
    asked = [metric["conditions"]["interval"] for metric in metrics if metric["conditions"]["interval"]]
    if not asked:
        return INTERVAL
    common_ms = gcd(*(round(1000 * one) for one in asked))
    if common_ms < 1000 * MIN_INTERVAL_SECONDS:
        report.note(
            f"{file}: snapshots {duration(common_ms / 1000)} apart would be needed to keep every metric's interval; a "
            f"policy takes one every {duration(MIN_INTERVAL_SECONDS)} at most, so measurements come up to that later"
        )
        return MIN_INTERVAL_SECONDS
    fewest = ceil(common_ms / 1000 / INTERVAL)
    parts = next((n for n in range(fewest, 2 * fewest) if common_ms % n == 0), fewest)
    return common_ms / 1000 / parts


def _plain(conditions: dict[str, Any]) -> dict[str, Any]:
    """What is said, with durations as a person writes them, and every number that the template gives or leaves open."""
    said = {key: value for key, value in conditions.items() if value is not None and value is not False}
    for key in ("startAfter", "interval", "initialDelay"):
        if said.get(key) or (key == "startAfter" and key in said):
            said[key] = duration(said[key])
        else:
            said.pop(key, None)
    return said
