"""Why a run does not get on: the cause that explains the others is named first."""

from typing import Any

import pytest
from serinus_contracts import Pod
from serinus_contracts.standstill import standstill

from tests.support import observed

DEADLINE = 'ProgressDeadlineExceeded: ReplicaSet "checkout-new" has timed out progressing.'
INVALID = "InvalidSpec: The Rollout is invalid: spec.strategy.canary.steps[2].setWeight: Invalid value: 150"


def pods(*ready: bool) -> dict[str, Any]:
    canary = tuple(Pod(name=f"checkout-new-{i}", arm="canary", ready=one) for i, one in enumerate(ready))
    return {"pods": (*canary, Pod(name="checkout-old-1", arm="stable", ready=False))}


WAITING: dict[str, Any] = {"step": 0, "gate_started": None, "steady": False, "phase": "Progressing"}


@pytest.mark.parametrize(
    ("seen", "kind", "text"),
    [
        ({**WAITING, **pods(False)}, "pods", "0 of 1 canary pods ready"),
        ({**WAITING, **pods(True, False)}, "pods", "1 of 2 canary pods ready"),
        (
            {**WAITING, **pods(False), "phase": "Degraded", "trouble": DEADLINE},
            "pods",
            f"0 of 1 canary pods ready ({DEADLINE})",
        ),
        (pods(False, False), "pods", "0 of 2 canary pods ready"),
        ({**WAITING, **pods(True), "phase": "Degraded", "trouble": DEADLINE}, "argo", f"Argo says {DEADLINE}"),
        (
            {**WAITING, **pods(False), "phase": "Degraded", "trouble": INVALID},
            "invalid",
            f"Argo does nothing until the Rollout's spec is mended ({INVALID})",
        ),
        (
            {**pods(False), "stage": -1, "steady": False},
            "pause",
            "waits at a pause before the first setWeight, where nothing can be judged: a person opens it by "
            "`serinus advance shop/checkout` or `kubectl argo rollouts promote checkout -n shop`",
        ),
    ],
)
def test_the_cause_is(seen: dict[str, Any], kind: str, text: str) -> None:
    assert standstill(observed(**seen)) == (kind, text)


@pytest.mark.parametrize(
    "seen",
    [
        {},
        pods(True),
        pods(True, False),  # the weight is in force: what one pod of several does is judged
        {**pods(False), "outcome": "aborted"},
        {**WAITING, "stage": -1},
        {**pods(True), "trouble": "ProgressDeadlineExceeded: over", "phase": "Paused"},
    ],
)
def test_where_the_rollout_shows_none_there_is_none(seen: dict[str, Any]) -> None:
    assert standstill(observed(**seen)) is None
