"""A run in one word, with its shape, and how soon it wants a person."""

from typing import NamedTuple

from serinus_contracts.base import Millis
from serinus_contracts.freshness import stale
from serinus_contracts.standstill import standstill

from serinus_readmodel.run_view import RunView


class State(NamedTuple):
    """`tone` is good, bad, warn or calm; shape and word say the same as the colour."""

    word: str
    mark: str
    tone: str
    urgency: int


_ENDED = {
    "promoted": State("promoted", "✔", "good", 9),
    "aborted": State("aborted", "✖", "bad", 9),
    "superseded": State("superseded", "↷", "calm", 9),
    "deleted": State("deleted", "–", "calm", 9),
}
_BLIND = {
    "no_data": "no metrics",
    "provider_error": "no metrics",
    "liveness": "pods unhealthy",
    "sample_ratio_mismatch": "traffic split",
    "anomaly": "pods differ",
}


WORDS = (
    "aborting", "abort", "analysis stalled", "paused", "pods not ready", "Argo is stuck", "needs approval", "on hold",
    "maximum time reached", *dict.fromkeys(_BLIND.values()), "analysing", "settling", "starting", "proceed", *_ENDED,
)  # fmt: skip
"""All that a state may be called, what is urgent first."""


def state_of(view: RunView, now: Millis) -> State:
    """The word that stands beside the name of a run."""
    if view.observed.outcome:
        return _ENDED[view.observed.outcome]
    said = view.verdict
    if view.observed.aborting:
        return State("aborting", "▼", "bad", 0)
    if stands := _standing(view, now):
        return stands
    if is_stale(view, now):
        return State("analysis stalled", "◌", "warn", 1)
    if said and said.verdict == "abort":
        return State("abort", "▼", "bad", 0)
    if view.awaits_person:
        return State("needs approval", "◆", "warn", 1)
    if view.operator.held_by:
        return State("on hold", "❚❚", "warn", 2)
    if said is None or view.current is None:
        return State("starting" if said is None else "settling", "…", "calm", 4)
    if said.verdict == "proceed":
        return State("proceed", "▲", "good", 4)
    if said.reason == "time_spent":
        return State("maximum time reached", "◆", "warn", 1)
    if said.reason in _BLIND:
        return State(_BLIND[said.reason], "■", "warn", 2)
    return State("analysing", "■", "calm", 3)


def _standing(view: RunView, now: Millis) -> State | None:
    known = standstill(view.observed)
    if known is None:
        return None
    if known.kind == "pause":
        return State("paused", "◆", "warn", 1)
    if known.kind in ("invalid", "argo") or view.observed.trouble or is_stale(view, now):
        return State("pods not ready" if known.kind == "pods" else "Argo is stuck", "◌", "warn", 1)
    return None


def unevaluated(view: RunView, now: Millis) -> bool:
    """Whether the first verdict at the present weight is still to come: the controller refuses an advance until then,
    unless it is forced. Not where verdicts have stopped, nor before the first weight."""
    seen, said = view.observed, view.verdict
    if view.plan is None or seen.outcome or seen.stage < 0:
        return False
    current = said is not None and (said.stage, said.stage_started) == (seen.stage, seen.stage_started)
    return not (current and said and said.reason != "settling") and not is_stale(view, now)


def is_stale(view: RunView, now: Millis) -> bool:
    """Whether analysis has stopped: the last verdict, or the start where there was none, is too old."""
    if view.observed.outcome or view.plan is None or view.observed.stage < 0:
        return False
    last = max(view.verdict.end if view.verdict else 0, view.observed.stage_started)
    return stale(last, view.plan, now)
