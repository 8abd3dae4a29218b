"""What a team should know of a policy that is right."""

from typing import Any

import pytest
from serinus_contracts import CanaryPolicy
from serinus_rollouts.policy_warnings import not_waited_for

ERRORS = {"name": "errors", "preset": "http-errors", "critical": True}
LATENCY = {"name": "latency", "preset": "http-latency"}
MEMORY = {"name": "memory", "preset": "container-memory"}


def policy(*metrics: dict[str, Any], **spec: Any) -> CanaryPolicy:
    return CanaryPolicy.model_validate(
        {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "CanaryPolicy",
            "metadata": {"name": "shop"},
            "spec": {"match": {"namespace": "shop"}, "metrics": list(metrics), **spec},
        }
    )


def test_a_metric_beside_a_critical_one_is_told_of_as_one_that_no_gate_waits_for() -> None:
    assert not_waited_for(policy(ERRORS, LATENCY, MEMORY)) == [
        "policy shop, metric latency: no gate waits for it to be shown no worse than allowed, since others are "
        "critical and it is not; it only holds one while it is shown to be worse. Write critical: true, or false if "
        "it is meant"
    ]


@pytest.mark.parametrize(
    "told",
    [
        policy(ERRORS, LATENCY | {"critical": True}, MEMORY),
        policy(ERRORS, LATENCY | {"critical": False}),
        policy(ERRORS | {"critical": False}, LATENCY),
        policy(ERRORS, LATENCY, judge={"name": "kayenta"}),
    ],
    ids=["all critical", "said not to be", "none critical: all are waited for", "a judge without such gates"],
)
def test_nothing_is_told_where_every_metric_is_waited_for_or_the_policy_says_that_one_is_not(
    told: CanaryPolicy,
) -> None:
    assert not_waited_for(told) == []
