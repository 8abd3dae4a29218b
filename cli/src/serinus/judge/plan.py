"""The plan of `serinus judge`: a policy on one stage that no Rollout has."""

from collections.abc import Mapping

from serinus_contracts import AnalysisPlan, CanaryPolicy, Run
from serinus_contracts.base import MAX_SECONDS
from serinus_contracts.policy import Gate, StageRule
from serinus_contracts.wording import duration
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.stages import Stage

from serinus.judge.arms import SCOPE
from serinus.judge.found_metrics import FoundMetrics, policy_of

SECONDS = 900.0
MINIMUM_SECONDS = 60.0
ALMOST_ALL = 0.9
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 5.0, 30.0


def policy_for(
    name: str, found: FoundMetrics, scrape_ms: int | None, seconds: float, gate: Gate | None
) -> CanaryPolicy:
    """The policy of whoever gives none: errors and latency as they were found, snapshots as often as scrapes.

    That no regression was seen says something only of all the time that was given.
    """
    interval = min(max((scrape_ms or 0) / 1000, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
    spec: Mapping[str, object] = {
        "source": found.source,
        "metrics": found.metrics,
        "interval": interval,
        # Nothing settles but the first two scrapes, which are always left out.
        "settle": 0,
        "minimum": ALMOST_ALL * seconds if gate == "noRegression" else min(MINIMUM_SECONDS, seconds / 2),
        "maximum": seconds,
    }
    return policy_of(name, spec)


def plan_of(
    policy: CanaryPolicy, run: Run, weight: float, seconds: float | None, follow: bool, gate: Gate | None
) -> AnalysisPlan:
    """The policy on one stage of this weight (percent), for `seconds`, else as long as it says; `follow` without them
    is without end. Of its stages it is the one of this weight, else the last. Raises UnfitPolicyError."""
    rules = {rule.weight: rule for rule in policy.spec.stages}
    rule = rules.get(weight, policy.spec.stages[-1] if policy.spec.stages else StageRule(weight=weight))
    of_weight = (rule.model_copy(update={"weight": weight, "approval": "none", "gate": gate or rule.gate}),)
    spec = policy.spec.model_copy(update={"stages": of_weight, "freeze": ()})
    stage = Stage(weight, 0, (1,), False)
    plan = resolve(policy.model_copy(update={"spec": spec}), run, (stage,), scope=SCOPE)
    (planned,) = plan.stages
    maximum = seconds if seconds is not None else MAX_SECONDS if follow else planned.maximum
    if planned.minimum >= maximum:
        raise UnfitPolicyError(
            f"no verdict proceeds before {duration(planned.minimum)}, the minimum of policy {policy.metadata.name}, so "
            f"{duration(maximum)} are too short: give --for more, or the policy a shorter minimum"
        )
    return plan.model_copy(update={"stages": (planned.model_copy(update={"maximum": maximum}),)})
