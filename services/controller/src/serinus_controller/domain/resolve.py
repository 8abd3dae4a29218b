"""Resolving a policy against one run: what the presets mean, which stages there are, and what does not fit."""

import re
from collections.abc import Sequence

from serinus_contracts import AnalysisPlan, ArmRule, Bucketed, Counted, PlanLimit, PlanMetric, PlanStage, Run
from serinus_contracts.plan import AnyOf
from serinus_contracts.policy import CanaryPolicy, LimitRule, Margin, MetricRule, PolicySpec, SourceRule
from serinus_contracts.selector import Matcher, Selector

from serinus_controller.domain.stages import Stage

STATUS_LABELS = ("code", "status", "status_code")
_SERVER_ERROR = "5.."
_MARGINS = {"errors": Margin(ratio=1.25, absolute=0.001), "latency": Margin(ratio=1.2)}
_PRESET_METRIC = {"http-errors": "http_requests_total", "http-latency": "http_request_duration_seconds_bucket"}


class UnfitPolicyError(ValueError):
    """The policy cannot be applied to this Rollout; the message says why and what to change."""


def resolve(policy: CanaryPolicy, run: Run, found: Sequence[Stage]) -> AnalysisPlan:
    """The plan of one run. Raises UnfitPolicyError if the Rollout's steps leave nothing to judge."""
    spec = policy.spec
    if not found:
        raise UnfitPolicyError(f"Rollout {run.rollout} has no setWeight step: there is no stage to judge")
    arms, matchers = _source(spec.source, run)
    metrics = tuple(_metric(rule, matchers) for rule in spec.metrics)
    return AnalysisPlan(
        policy=policy.metadata.name,
        mode=spec.mode,
        judge=spec.judge,
        budget=spec.budget,
        interval=spec.interval,
        settle=spec.settle,
        provider=spec.source.provider,
        arms=arms,
        stages=_stages(spec, run, found),
        metrics=metrics,
        limits=tuple(_limit(rule) for rule in spec.limits),
        on_time_spent=spec.on_time_spent,
        on_no_data=spec.on_no_data,
    )


def warnings(policy: CanaryPolicy, found: Sequence[Stage]) -> list[str]:
    """What a team should know of this policy on this Rollout, though it can be applied."""
    spec, name = policy.spec, policy.metadata.name
    told = []
    timed = [str(stage.weight) for stage in found if stage.timed and not stage.gates]
    if spec.mode == "enforce" and timed:
        told.append(
            f"policy {name} enforces, but Argo goes on by itself after the timed pauses at {', '.join(timed)} %: "
            "there only an abort is possible; write `pause: {}` to let verdicts advance the weight"
        )
    without = [str(stage.weight) for stage in found if not stage.timed and not stage.gates]
    if spec.mode == "enforce" and without:
        told.append(
            f"policy {name} enforces, but no pause follows the weight {', '.join(without)} %: it is not waited for"
        )
    weights = {stage.weight for stage in found}
    unknown = [str(stage.weight) for stage in spec.stages if stage.weight not in weights]
    if unknown:
        told.append(f"policy {name} has stages that the Rollout does not: {', '.join(unknown)} %")
    return told


def _stages(spec: PolicySpec, run: Run, found: Sequence[Stage]) -> tuple[PlanStage, ...]:
    rules = {rule.weight: rule for rule in spec.stages}
    plan = []
    for index, stage in enumerate(found):
        rule = rules.get(stage.weight)
        minimum = rule.minimum if rule and rule.minimum is not None else spec.minimum
        maximum = rule.maximum if rule and rule.maximum is not None else max(spec.maximum, 2 * minimum)
        if minimum >= maximum:
            raise UnfitPolicyError(
                f"stage {stage.weight} % of {run.rollout}: minimum {minimum:g} s is not shorter than maximum "
                f"{maximum:g} s, so nothing is left to judge"
            )
        last = index == len(found) - 1
        plan.append(
            PlanStage(
                weight=stage.weight,
                first_step=stage.first_step,
                gates=stage.gates,
                minimum=minimum,
                maximum=maximum,
                gate=(rule.gate if rule else None) or ("proof" if last else "quiet"),
                approval=bool(rule and rule.approval == "required"),
            )
        )
    return tuple(plan)


def _source(source: SourceRule, run: Run) -> tuple[tuple[ArmRule, ...], tuple[Matcher, ...]]:
    """How series are told apart, and the matchers that a query is narrowed by."""
    hashes = ArmRule(
        label=source.label if source.preset == "pod-hash" and source.label else "rollouts_pod_template_hash",
        canary=re.escape(run.canary_hash),
        stable=re.escape(run.stable_hash),
    )
    prefix = re.escape(run.name)
    pods = ArmRule(
        label=source.label if source.preset == "pod-name" and source.label else "pod",
        canary=f"{prefix}-{re.escape(run.canary_hash)}-.*",
        stable=f"{prefix}-{re.escape(run.stable_hash)}-.*",
    )
    scope: tuple[Matcher, ...] = ()
    if source.namespace_label:
        scope = (Matcher(label=source.namespace_label, value=run.namespace),)
    if source.preset == "pod-hash":
        return (hashes,), (*scope, _either(hashes))
    if source.preset == "pod-name":
        return (pods,), (*scope, _either(pods))
    # Argo leaves the canary Service on old pods until new ones are available: where a series says which pod it
    # comes from, the pod decides.
    services = ArmRule(
        label=source.label or "service",
        canary=re.escape(source.canary or ""),
        stable=re.escape(source.stable or ""),
    )
    return (hashes, pods, services), (*scope, _either(services))


def _either(rule: ArmRule) -> Matcher:
    return Matcher(label=rule.label, op="=~", value=f"{rule.canary}|{rule.stable}")


def _metric(rule: MetricRule, matchers: tuple[Matcher, ...]) -> PlanMetric:
    source: Counted | Bucketed
    if rule.distribution:
        query = rule.histogram or Selector(name=rule.metric or _PRESET_METRIC["http-latency"])
        source = Bucketed(query=query.where(*matchers), scale=0.001 if rule.unit == "ms" else 1.0)
    elif rule.preset:
        query = Selector(name=rule.metric or _PRESET_METRIC["http-errors"]).where(*matchers)
        source = Counted(
            query=query,
            events=tuple((Matcher(label=label, op="=~", value=_SERVER_ERROR),) for label in STATUS_LABELS),
            trials=((),),
            one_of_labels=STATUS_LABELS,
        )
    else:
        assert rule.events is not None
        assert rule.trials is not None
        source = _counted(rule.events, rule.trials, matchers)
    return PlanMetric(
        name=rule.name,
        source=source,
        better=rule.better,
        margin=rule.margin or _default_margin(rule),
        critical=rule.critical,
        weight=rule.weight,
        count=rule.count,
        lag=rule.lag,
    )


def _default_margin(rule: MetricRule) -> Margin:
    if rule.better == "higher":
        return Margin(ratio=0.95)
    return _MARGINS["latency" if rule.distribution else "errors"]


def _counted(events: Selector, trials: Selector, matchers: tuple[Matcher, ...]) -> Counted:
    """One query that fetches both: by the common name, or by either name; what both ask for narrows it."""
    names = sorted({name for name in (events.name, trials.name) if name})
    if len(names) == 1 and events.name == trials.name:
        query = Selector(name=names[0])
    else:
        query = Selector(matchers=(Matcher(label="__name__", op="=~", value="|".join(map(re.escape, names))),))
    common = tuple(matcher for matcher in events.matchers if matcher in trials.matchers)
    return Counted(query=query.where(*common, *matchers), events=_group(events), trials=_group(trials))


def _group(selector: Selector) -> AnyOf:
    return (selector.all_matchers(),)


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
