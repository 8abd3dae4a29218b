"""Resolving a policy against one run: what the presets mean, which stages there are, and what does not fit."""

import re
from collections.abc import Sequence

from serinus_contracts import (
    AnalysisPlan,
    ArmRule,
    Bucketed,
    Counted,
    Gauged,
    PlanLimit,
    PlanMetric,
    PlanStage,
    Queried,
    Run,
)
from serinus_contracts.metric import LimitRule, Margin, MetricRule
from serinus_contracts.period_stores import STORES
from serinus_contracts.policy import CanaryPolicy, PolicySpec
from serinus_contracts.provider_namespaces import OPEN, ProviderAccess, may_use, refusal
from serinus_contracts.selector import Matcher, Selector
from serinus_contracts.weight import weight_text

from serinus_rollouts.instrumentations import unseen
from serinus_rollouts.metric_names import Matchers, MetricNames
from serinus_rollouts.rollout import PingPong
from serinus_rollouts.sources import (
    SeriesScope,
    containers,
    counts,
    gauges,
    in_their_roles,
    naming,
    without_excluded,
)
from serinus_rollouts.stages import ADD_STEPS, NOTHING_TO_JUDGE, Stage

LATENCY_MARGIN = Margin(ratio=1.2)
_MARGINS = {"proportion": Margin(ratio=1.25, absolute=0.001), "distribution": LATENCY_MARGIN}


# What is made of a policy for one run is kept in Redis for each, and read by every service.
MAX_PLAN_BYTES = 256 * 1024
MAX_STAGES = 100


class UnfitPolicyError(ValueError):
    """The policy cannot be applied to this Rollout; the message says why and what to change."""


def resolve(
    policy: CanaryPolicy,
    run: Run,
    found: Sequence[Stage],
    services: PingPong | None = None,
    access: ProviderAccess = OPEN,
    *,
    source: str = "",
    override: str = "",
    grpc: str = "",
    scope: SeriesScope | None = None,
) -> AnalysisPlan:
    """The plan of one run; `services` are those whose roles Argo exchanges after each release, `source` is where the
    policy was read, `override` the id of a command that changed it, `grpc` what says that the Rollout speaks gRPC.
    `scope`: how all series are found, in place of what the policy's sources say of it, which then only name metrics.

    Raises UnfitPolicyError if the Rollout's steps leave nothing to judge, its arms cannot be told apart, or the
    provider is for other namespaces.
    """
    spec = _following(policy.spec, services)
    if not may_use(access, spec.source.provider, run.namespace):
        raise UnfitPolicyError(f"policy {policy.metadata.name}: {refusal(spec.source.provider, run.namespace)}")
    if not found:
        raise UnfitPolicyError(f"Rollout {run.rollout} {NOTHING_TO_JUDGE}; {ADD_STEPS}")
    if len(found) > MAX_STAGES:
        raise UnfitPolicyError(f"Rollout {run.rollout} sets {len(found)} weights, at most {MAX_STAGES} are judged")
    beyond = [stage.weight for stage in found if not 0 <= stage.weight <= 100]
    if beyond:
        raise UnfitPolicyError(
            f"Rollout {run.rollout} sets a weight of {weight_text(beyond[0])}, which is no percentage of the traffic"
        )
    found_by = scope or counts(spec.source, run)
    # A proxy's series are told apart metric by metric; the run's pods are told apart in any case.
    arms = containers(run).arms if found_by.past is None else found_by.arms
    metrics = tuple(_metric(rule, spec, run, arms, grpc, scope) for rule in spec.metrics)
    plan = AnalysisPlan(
        policy=policy.metadata.name,
        namespace=policy.metadata.namespace or "",
        source=source,
        override=override,
        mode=spec.mode,
        judge=spec.judge,
        false_abort_rate=spec.false_abort_rate,
        false_promote_rate=spec.false_promote_rate,
        interval=spec.interval,
        settle=spec.settle,
        warmup=spec.warmup,
        provider=spec.source.provider,
        api=spec.source.preset if spec.source.preset in STORES else "prometheus",
        arms=arms,
        stages=_stages(spec, found),
        metrics=metrics,
        limits=tuple(_limit(rule) for rule in spec.limits),
        on_time_spent=spec.on_time_spent,
        on_no_data=spec.on_no_data,
        freeze=spec.freeze,
    )
    if len(plan.canonical) > MAX_PLAN_BYTES:
        raise UnfitPolicyError(
            f"policy {policy.metadata.name} comes to {len(plan.canonical) / 1024:,.0f} KiB for Rollout {run.rollout}, "
            f"at most {MAX_PLAN_BYTES >> 10} are judged: write fewer metrics, or shorter selectors"
        )
    return plan


def _following(spec: PolicySpec, services: PingPong | None) -> PolicySpec:
    """The policy with every source by Services in their present roles."""
    if services is None:
        return spec
    try:
        metrics = [
            metric.model_copy(update={"source": metric.source and in_their_roles(metric.source, services)})
            for metric in spec.metrics
        ]
        used = any(metric.source is None and metric.kind != "gauge" for metric in spec.metrics)
        source = in_their_roles(spec.source, services) if used else spec.source
    except ValueError as error:
        raise UnfitPolicyError(str(error)) from None
    return spec.model_copy(update={"source": source, "metrics": tuple(metrics)})


def _stages(spec: PolicySpec, found: Sequence[Stage]) -> tuple[PlanStage, ...]:
    rules = {rule.weight: rule for rule in spec.stages}
    plan = []
    for index, stage in enumerate(found):
        rule = rules.get(stage.weight)
        minimum = rule.minimum if rule and rule.minimum is not None else spec.minimum
        maximum = rule.maximum if rule and rule.maximum is not None else spec.maximum
        last = index == len(found) - 1
        plan.append(
            PlanStage(
                weight=stage.weight,
                first_step=stage.first_step,
                gates=stage.gates,
                minimum=minimum,
                maximum=maximum,
                gate=(rule.gate if rule else None) or ("nonInferiority" if last else "noRegression"),
                approval=bool(rule and rule.approval == "required"),
            )
        )
    return tuple(plan)


def _metric(
    rule: MetricRule, spec: PolicySpec, run: Run, arms: tuple[ArmRule, ...], grpc: str, scope: SeriesScope | None
) -> PlanMetric:
    source = rule.source or spec.source
    if scope is not None:
        way = without_excluded(scope, source)
    elif rule.kind == "gauge":
        way = gauges(source, run) if rule.gauge is not None else containers(run)
    else:
        way = counts(source, run)
    read = _read(rule, run, way, naming(source, rule.metric))
    if rule.preset == "http-errors" and (blind := unseen(source.preset, rule.metric, grpc)):
        read = read.model_copy(update={"blind": blind})
    return PlanMetric(
        name=rule.name,
        source=read,
        better=rule.better,
        margin=rule.margin or _default_margin(rule),
        arms=() if way.arms == arms else way.arms,
        critical=rule.critical,
        weight=rule.weight,
        count=rule.count,
        lag=rule.lag,
        excluding=source.exclude is not None,
        may_abort=rule.may_abort,
        segment=rule.segment,
    )


def _read(rule: MetricRule, run: Run, way: SeriesScope, names: MetricNames) -> Counted | Bucketed | Gauged | Queried:
    if rule.kind == "gauge":
        return _gauged(rule, way.among)
    if rule.query is not None and rule.conditions is not None:
        return Queried(query=_filled(rule.query, run), conditions=rule.conditions)
    if rule.preset == "http-latency":
        query = Selector(name=rule.metric or names.latency, matchers=names.extra_matchers)
        return _bucketed(query, way, "ms" if names.milliseconds else rule.unit)
    if rule.histogram is not None:
        return _bucketed(rule.histogram, way, rule.unit)
    if rule.preset:
        query = Selector(name=rule.metric or names.requests, matchers=names.extra_matchers)
        return Counted(
            query=query.where(*way.among),
            events=names.failed,
            trials=((),),
            one_of_labels=names.status_labels,
            history=_past(query, way),
        )
    assert rule.events is not None
    assert rule.trials is not None
    query = _either_name((rule.events, rule.trials))
    return Counted(
        query=query.where(*way.among),
        events=(_named(rule.events),),
        trials=(_named(rule.trials),),
        history=_past(query, way),
    )


def _bucketed(query: Selector, way: SeriesScope, unit: str) -> Bucketed:
    return Bucketed(query=query.where(*way.among), scale=0.001 if unit == "ms" else 1.0, history=_past(query, way))


def _past(query: Selector, way: SeriesScope) -> Selector | None:
    return query.where(*way.past) if way.past is not None else None


def _filled(query: str, run: Run) -> str:
    """A query with what is known of the run; hashes and names hold nothing that could end a label's value."""
    facts = {"canary_hash": run.canary_hash, "stable_hash": run.stable_hash}
    facts |= {"namespace": run.namespace, "rollout": run.name}
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: facts.get(found[1], found[0]), query)


def _default_margin(rule: MetricRule) -> Margin:
    if rule.better == "higher":
        return Margin(ratio=0.95)
    return _MARGINS.get(rule.kind, Margin())


# cAdvisor also counts the pod as a whole and its sandbox, which would be added up with the containers.
_CONTAINERS = (Matcher(label="container", op="!=", value=""), Matcher(label="container", op="!=", value="POD"))
_MEMORY = ("container_memory_usage_bytes", "container_spec_memory_limit_bytes", None)
_CPU = ("container_cpu_usage_seconds_total", "container_spec_cpu_quota", "container_spec_cpu_period")


def _gauged(rule: MetricRule, matchers: Matchers) -> Gauged:
    if rule.gauge is not None:
        over = _named(rule.of) if rule.of else None
        return Gauged(query=_either_name((rule.gauge, rule.of)).where(*matchers), value=_named(rule.gauge), over=over)
    value, over_name, per_name = _MEMORY if rule.preset == "container-memory" else _CPU
    selectors = [Selector(name=name) for name in (rule.metric or value, over_name, per_name) if name]
    value_of, *rest = [_named(selector) for selector in selectors]
    return Gauged(
        query=_either_name(selectors).where(*_CONTAINERS, *matchers),
        value=value_of,
        over=rest[0],
        per=rest[1] if len(rest) > 1 else None,
        rate=rule.preset == "container-cpu",
    )


def _named(selector: Selector) -> tuple[Matcher, ...]:
    return selector.all_matchers()


def _either_name(selectors: Sequence[Selector | None]) -> Selector:
    """A selector of all series that one of these selects by name; what they all ask for narrows it."""
    known = [selector for selector in selectors if selector]
    names = sorted({selector.name for selector in known if selector.name})
    shared = set.intersection(*({matcher.key for matcher in one.matchers} for one in known))
    common = tuple(matcher for matcher in known[0].matchers if matcher.key in shared)
    if len(names) == 1:
        return Selector(name=names[0], matchers=common)
    either = Matcher(label="__name__", op="=~", value="|".join(map(re.escape, names)))
    return Selector(matchers=(either, *common))


def _limit(rule: LimitRule) -> PlanLimit:
    if rule.quantile is not None:
        assert rule.above is not None
        name = f"{rule.metric} p{rule.quantile * 100:g} above {rule.above:g} s"
        return PlanLimit(
            name=name, metric=rule.metric, share=round(1 - rule.quantile, 12), edge=rule.above, weight=rule.weight
        )
    if rule.above is not None:
        name = f"{rule.metric} above {rule.above:g}"
        return PlanLimit(name=name, metric=rule.metric, share=rule.above, weight=rule.weight)
    assert rule.below is not None
    name = f"{rule.metric} below {rule.below:g}"
    return PlanLimit(name=name, metric=rule.metric, better="higher", share=rule.below, weight=rule.weight)
