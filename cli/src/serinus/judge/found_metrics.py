"""Which metrics two sets of series have: the rows of the table of instrumentations are looked for, and counted."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml
from pydantic import ValidationError
from serinus_collecting.answers import counted
from serinus_collecting.ports import ProviderError, TooMuchError
from serinus_collecting.prometheus import UnknownNamesError
from serinus_contracts import AnalysisPlan, CanaryPolicy, PlanMetric, Queried, Run, Selector
from serinus_contracts.base import Arm, Millis
from serinus_counting.series import Series
from serinus_rollouts.instrumentations import TABLE, Instrumentation
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.stages import Stage

from serinus.doctor.measured import Seen, count
from serinus.doctor.proposal import errors, latency
from serinus.doctor.words import flow
from serinus.judge.arms import SCOPE, TwoArms

REACH_MS = 300_000
STAGE = (Stage(50, 0, (1,), False),)
# What names a source's services; here the arms are told apart otherwise.
_SERVICES = {"traefik", "envoy", "contour", "haproxy"}


@dataclass(frozen=True)
class FoundMetrics:
    """The metrics of a policy and its source, as documents; `named`: what each reads, by its name in the policy.

    `refused`: what was found and cannot be judged, and why.
    """

    source: Mapping[str, str]
    metrics: Sequence[Mapping[str, object]]
    named: Mapping[str, str]
    refused: Sequence[str] = ()


async def found_metrics(arms: TwoArms, run: Run, now: Millis) -> FoundMetrics | None:
    """Errors and latency of the first row whose requests are counted on both arms now, else of the first that may only
    want traffic; None where no row is there. Raises ProviderError."""
    rows = [row for row in TABLE if row.names.requests]
    names = list(dict.fromkeys(row.names.requests for row in rows))
    there = dict(zip(names, await asyncio.gather(*(_series(arms, name, now) for name in names)), strict=True))
    refused: list[str] = []
    chosen: Instrumentation | None = None
    asked = set()
    for row in rows:
        labels = {label for one in there[row.names.requests] for label in one.labels}
        metric = _document(errors(row, row.preset))
        if labels.isdisjoint(row.names.status_labels) or (key := tuple(metric.items())) in asked:
            continue
        asked.add(key)
        seen = await _measured(arms, run, _source(row), metric, now)
        if seen is None:
            continue
        if seen.measurement.status == "error":
            refused.append(f"{row.names.requests} cannot be judged: {seen.measurement.detail}")
        elif seen.measurement.status == "ok":
            chosen = row
            break
        else:
            chosen = chosen or row
    return None if chosen is None else await _of(arms, run, chosen, refused, now)


async def _of(arms: TwoArms, run: Run, row: Instrumentation, refused: list[str], now: Millis) -> FoundMetrics:
    source = _source(row)
    metrics: list[Mapping[str, object]] = [{**_document(errors(row, row.preset)), "critical": True}]
    named = {"errors": row.names.requests}
    if row.names.latency:
        metric = _document(latency(row, row.preset))
        seen = await _measured(arms, run, source, metric, now)
        if seen is not None and seen.measurement.status != "error":
            metrics.append({**metric, "critical": True})
            named["latency"] = row.names.latency
        elif seen is not None:
            refused.append(f"{row.names.latency} cannot be judged: {seen.measurement.detail}")
    return FoundMetrics(source, metrics, named, refused)


def _document(written: Mapping[str, str]) -> Mapping[str, object]:
    found: Mapping[str, object] = yaml.safe_load(flow(written))
    return found


def _source(row: Instrumentation) -> dict[str, str]:
    """The source that calls metrics as the row does."""
    services = {"canary": "canary", "stable": "stable"} if row.preset in _SERVICES else {}
    ingress = {"ingress": "any"} if row.preset == "ingress-nginx" else {}
    return {"preset": row.preset, **services, **ingress}


async def _series(arms: TwoArms, name: str, now: Millis) -> Sequence[Series]:
    try:
        return (await arms.samples(Selector(name=name), now, REACH_MS)).read().series
    except (UnknownNamesError, TooMuchError):
        return ()


async def _measured(
    arms: TwoArms, run: Run, source: Mapping[str, str], metric: Mapping[str, object], now: Millis
) -> Seen | None:
    """One measurement of a metric on both arms; None where it has no series, or no policy could name it."""
    try:
        plan = resolve(policy_of(run.name, {"source": source, "metrics": [metric]}), run, STAGE, scope=SCOPE)
    except (ValidationError, UnfitPolicyError):
        return None
    try:
        (seen,) = await seen_now(arms, plan, now)
    except TooMuchError:
        return None
    return seen if seen.canary.series or seen.stable.series else None


async def seen_now(arms: TwoArms, plan: AnalysisPlan, now: Millis) -> list[Seen]:
    """One measurement of each metric that is no query of its own, in the order of the plan. Raises ProviderError."""

    async def seen(metric: PlanMetric, selector: Selector) -> Seen:
        answer = (await arms.samples(selector, now, REACH_MS)).read()
        return count(plan, metric, counted(plan, metric, answer), now, warnings=answer.warnings)

    asked = [(one, one.source.query) for one in plan.metrics if not isinstance(one.source, Queried)]
    return await asyncio.gather(*(seen(metric, selector) for metric, selector in asked))


def policy_of(name: str, spec: Mapping[str, object]) -> CanaryPolicy:
    """A policy of these fields of its spec. Raises ValidationError."""
    return CanaryPolicy.model_validate(
        {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "CanaryPolicy",
            "metadata": {"name": name},
            "spec": {"match": {"name": name}, **spec},
        }
    )


async def names_of(arms: TwoArms, arm: Arm, now: Millis) -> list[str]:
    """What the metrics are called of which an arm has series now; empty also where it cannot be asked."""
    matchers = arms.canary if arm == "canary" else arms.stable
    try:
        answer = await arms.provider.sums(Selector(matchers=matchers), ("__name__",), now, 60_000, 60_000)
        return sorted({one.labels.get("__name__", "") for one in answer.read().series} - {""})
    except ProviderError:
        return []
