"""What people may ask for now."""

from collections.abc import Mapping
from typing import Any

from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from serinus_contracts.weight import weight_text
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import unevaluated


class NotNowError(ValueError):
    """The run is not where this could be done."""


def sendable(
    view: RunView, verb: Verb, step: int | None, change: Mapping[str, Any], now: Millis, *, force: bool = False
) -> None:
    """Raises NotNowError for what the controller would refuse or nobody would answer."""
    seen = view.observed
    if verb == "retry" and seen.outcome != "aborted":
        raise NotNowError(f"only an aborted run can be tried again; this one is {seen.outcome or 'live'}")
    if verb != "retry" and seen.outcome is not None:
        raise NotNowError(f"the run is over: {seen.outcome}")
    if step is not None and step != seen.step:
        raise NotNowError(f"the run is at step {seen.step}, not {step} any more")
    if verb == "advance" and seen.gate_started is None:
        raise NotNowError("the Rollout does not wait at a gate")
    if verb == "advance" and not force and unevaluated(view, now):
        raise NotNowError(
            f"nothing was evaluated at {weight_text(seen.set_weight)} yet: "
            "wait for the first verdict, or force it (--force)"
        )
    if force and verb != "advance":
        raise NotNowError("only advance can be forced")
    if (verb == "override") != bool(change):
        raise NotNowError("a change is given with override, and only there")
