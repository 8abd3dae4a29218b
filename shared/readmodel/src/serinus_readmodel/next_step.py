"""What happens next to a run, in one sentence."""

from math import ceil

from serinus_contracts import AnalysisPlan, RolloutObserved, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.frozen import frozen
from serinus_contracts.standstill import standstill
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration

from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import is_stale

_OUTCOMES = {
    "promoted": "done: the new version serves all traffic",
    "aborted": "done: all traffic is back on stable",
    "superseded": "done: another revision took its place",
    "deleted": "done: the Rollout was deleted or is no longer watched",
}


# Seconds beyond its interval by which a run's evaluations may be apart before it is told.
LATE_SECONDS = 5.0


def next_step(view: RunView, now: Millis) -> str:
    """`now` in ms, of the clock that the times in the events are by."""
    return _next(view, now) + _paced(view)


def _paced(view: RunView) -> str:
    """How far apart its last evaluations are, where that is much farther than its policy asks for."""
    said, plan = view.current, view.plan
    if said is None or plan is None or view.observed.outcome or not said.follows:
        return ""
    apart = (said.end - said.follows) / 1000
    if apart < max(4 * plan.interval, plan.interval + LATE_SECONDS):
        return ""
    return (
        f"; last evaluated {duration(round(apart))} after the time before, not {plan.interval:g} s: "
        "if its namespace is paced, the Rollout's Events say so"
    )


def _next(view: RunView, now: Millis) -> str:
    observed, plan, verdict = view.observed, view.plan, view.current
    if observed.outcome:
        return _OUTCOMES[observed.outcome]
    if stands := view.waits or _standing(view, now):
        return stands
    if plan is None or view.stage is None:
        return "waiting for Argo to set the first weight"
    if is_stale(view, now) and (verdict is None or verdict.verdict != "abort"):
        return "stays at this weight until the analysis resumes"
    if verdict is None:
        return f"waiting for traffic to settle at {weight_text(observed.set_weight)}"
    if view.awaits_person:
        return f"waiting for approval: serinus approve {observed.run.rollout}"
    if verdict.verdict == "abort":
        return "abort" if plan.mode != "shadow" else "dry run: would abort; abort it yourself if you want"
    if view.operator.held_by:
        return f"on hold by {view.operator.held_by}: stays until it is resumed"
    freeze = frozen(plan.freeze, now)
    if verdict.verdict == "proceed" and freeze:
        return f"waiting: {freeze}"
    if verdict.verdict == "proceed":
        return _after_proceed(plan, observed)
    return _while_held(plan, observed, verdict, now)


def _standing(view: RunView, now: Millis) -> str:
    """Why it does not get on, where that comes before what its verdict says."""
    seen = view.observed
    if seen.aborting:
        return "back to stable, when Argo carries the abort out" + (f": {seen.trouble}" if seen.trouble else "")
    known, said = standstill(seen), view.current
    if known is None or (known.kind == "invalid" and said and said.verdict == "abort"):
        return ""
    first = known.kind in ("pause", "invalid") or said is None or is_stale(view, now)
    return known.text if first else ""


def _after_proceed(plan: AnalysisPlan, observed: RolloutObserved) -> str:
    following = [stage.weight for stage in plan.stages[observed.stage + 1 :]]
    target = weight_text(following[0]) if following else "100 %"
    if plan.mode == "shadow":
        return f"dry run: would promote to {target}; promote it yourself if you want"
    if plan.mode == "guard":
        return f"guard mode aborts only: promote it to {target} yourself"
    if observed.gate_started is None:
        return f"advances to {target} at the next gate"
    return f"advances to {target}"


def _while_held(plan: AnalysisPlan, observed: RolloutObserved, verdict: VerdictReached, now: Millis) -> str:
    stage = plan.stages[observed.stage]
    elapsed = (now - observed.stage_started) / 1000
    if verdict.reason in ("no_data", "provider_error"):
        return "stays at this weight until its metrics are back"
    if elapsed < stage.minimum:
        return f"earliest promotion in {duration(ceil(stage.minimum - elapsed))}"
    if verdict.reason == "time_spent":
        return "maximum stage time reached: promote or abort, or wait for conclusive data"
    left = stage.maximum - elapsed
    until = f", {duration(left)} left" if left > 0 else ""
    goal = (
        "it is shown to be no worse than allowed"
        if stage.gate == "nonInferiority"
        else "no regression is seen for long enough"
    )
    if plan.judge.name == "threshold":
        goal = "its analysis has succeeded"
    return f"stays at {weight_text(observed.set_weight)} until {goal}{until}"
