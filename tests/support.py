"""Small builders for events and plans, with the values that no test cares about already filled in."""

from typing import Any

from serinus_contracts import (
    AnalysisPlan,
    ArmRule,
    Bucketed,
    CommandIssued,
    Counted,
    Margin,
    Matcher,
    MetricsCollected,
    PlanMetric,
    PlanStage,
    Proportion,
    RolloutObserved,
    Run,
    Selector,
    VerdictReached,
    Window,
)
from serinus_contracts.judge import SequentialRule
from serinus_contracts.written_verdict import WrittenVerdict, written

RUN = Run(cluster="test", namespace="shop", name="checkout", uid="u-1", canary_hash="new", stable_hash="old", attempt=1)
ERRORS = PlanMetric(
    name="errors",
    source=Counted(
        query=Selector.parse('http_requests_total{namespace="shop",pod=~"checkout-(new|old)-.*"}'),
        events=((Matcher(label="code", op="=~", value="5.."),),),
        trials=((),),
        one_of_labels=("code",),
    ),
    margin=Margin(ratio=1.25, absolute=0.001),
    critical=True,
)
LATENCY = PlanMetric(
    name="latency",
    source=Bucketed(query=Selector.parse('http_request_duration_seconds_bucket{namespace="shop"}')),
    margin=Margin(ratio=1.2),
)


def policy_document(name: str = "shop", **spec: Any) -> dict[str, Any]:
    """A policy as its document; a value of None leaves its field out."""
    fields = {
        "match": {"namespace": "shop"},
        "mode": "enforce",
        "metrics": [{"name": "errors", "preset": "http-errors"}],
    }
    kept = {field: value for field, value in (fields | spec).items() if value is not None}
    return {"apiVersion": "serinus.dev/v1alpha1", "kind": "CanaryPolicy", "metadata": {"name": name}, "spec": kept}


def stage(weight: int, first_step: int, **other: Any) -> PlanStage:
    fields = {"gates": (first_step + 1,), "minimum": 5.0, "maximum": 60.0, "gate": "noRegression"}
    return PlanStage(weight=weight, first_step=first_step, **(fields | other))


def plan(**other: Any) -> AnalysisPlan:
    fields: dict[str, Any] = {
        "policy": "shop",
        "mode": "enforce",
        "judge": SequentialRule(),
        "false_abort_rate": 0.01,
        "false_promote_rate": 0.05,
        "interval": 1.0,
        "settle": 1.0,
        "warmup": 0.0,
        "provider": "main",
        "arms": (ArmRule(label="pod", canary="checkout-new-.*", stable="checkout-old-.*"),),
        "stages": (stage(5, 0), stage(25, 2), stage(50, 4, gate="nonInferiority")),
        "metrics": (ERRORS,),
    }
    return AnalysisPlan(**(fields | other))


def observed(**other: Any) -> RolloutObserved:
    fields: dict[str, Any] = {
        "run": RUN,
        "resource_version": "10",
        "phase": "Paused",
        "step": 1,
        "steps": 6,
        "stage": 0,
        "set_weight": 5,
        "actual_weight": 5,
        "steady": True,
        "stage_started": 1_000_000,
        "gate_started": 1_000_000,
        "plan": plan().digest,
    }
    return RolloutObserved(**(fields | other))


def snapshot(follows: int = 0, end: int = 1_010_000, **other: Any) -> MetricsCollected:
    counts = {"canary": {"checkout-new-1": (1, 500)}, "stable": {"checkout-old-1": (19, 9_500)}}
    window = Window(begin=follows or max(0, end - 1000), end=end)
    fields: dict[str, Any] = {
        "run": RUN,
        "follows": follows,
        "end": end,
        "step": 1,
        "stage": 0,
        "stage_started": 1_000_000,
        "weight": 5,
        "plan": plan().digest,
        "metrics": {"errors": Proportion(status="ok", window=window, **counts)},
    }
    return MetricsCollected(**(fields | other))


def verdict(**other: Any) -> VerdictReached:
    fields: dict[str, Any] = {
        "run": RUN,
        "follows": 1_009_000,
        "end": 1_010_000,
        "verdict": "proceed",
        "reason": "no_regression",
        "sentence": "proceed: 10 s at 5 %, no regression seen",
        "since": 1_010_000,
        "changed": True,
        "evaluation": 9,
        "step": 1,
        "stage": 0,
        "stage_started": 1_000_000,
        "weight": 5,
        "evaluated_requests": 4_500,
        "log_eprocess": -0.5,
        "metrics": (),
        "plan": plan().digest,
        "judge": "sequential",
    }
    return VerdictReached(**(fields | other))


def written_verdict(**other: Any) -> WrittenVerdict:
    """As an analyzer publishes it."""
    told = verdict(**other)
    return written(told.model_dump() | {"run": told.run})


def command(verb: str, **other: Any) -> CommandIssued:
    fields: dict[str, Any] = {
        "run": RUN,
        "id": "01J0000000000000000000000A",
        "verb": verb,
        "step": 1,
        "expires": 2_000_000,
        "actor": "alice",
    }
    return CommandIssued(**(fields | other))
