"""The report of a run, made of its story."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serinus_contracts.base import Millis
from serinus_contracts.events import DecisionTaken, VerdictReached
from serinus_contracts.report import Chapter, Concluded, Decided, Ended, Judged, Planned, Report, Staged


@dataclass(frozen=True)
class KeptRun:
    """A run by its id, whose report can be made; `ended` is None while it goes on."""

    rollout: str
    run: str
    ended: Millis | None = None


def make_report(chapters: Iterable[Chapter], verdict: VerdictReached | None = None) -> Report:
    """The report of a story; `verdict` is the newest one of a run that goes on.

    Raises ValueError if the story does not say of which run it is.
    """
    known = list(chapters)
    plans = [one for one in known if isinstance(one, Planned)]
    if not plans:
        raise ValueError("a story without its beginning")
    stages = tuple(one for one in known if isinstance(one, Staged))
    judged = [one for one in known if isinstance(one, Judged)]
    decisions = tuple(one.decision for one in known if isinstance(one, Decided))
    last = next((one.verdict for one in known if isinstance(one, Concluded)), verdict)
    end = next((one for one in known if isinstance(one, Ended)), None)
    if last and (not judged or judged[-1].at < last.end):
        judged.append(Judged.by(last, changed=last.changed))
    return Report(
        run=plans[-1].run,
        policy=plans[-1].plan.policy,
        outcome=end.outcome if end else None,
        why=_why(end, decisions, last),
        began=min([plans[0].at, *(one.at for one in stages)]),
        ended=end.at if end else None,
        evaluations=last.evaluation if last else 0,
        evaluated_requests=last.evaluated_requests if last else 0,
        stages=stages,
        changes=tuple(one for one in judged if one.sentence),
        evidence=tuple(judged),
        verdict=last,
        decisions=decisions,
        people=tuple(one for one in decisions if one.actor != "serinus"),
        plan=plans[-1].plan,
    )


_ACTS = {"promoted": "promote", "aborted": "abort"}
# Of an abort that somebody else asked for Argo gives no reason.
_BY_ARGO = re.compile(r"RolloutAborted: Rollout aborted update to revision \d+: (?P<why>.+)", re.DOTALL)


def _why(end: Ended | None, decisions: Sequence[DecisionTaken], last: VerdictReached | None) -> str:
    """Why it ended as it did, or where it stands."""
    if end is None:
        newest = {one.action: one for one in decisions}
        waiting = [one for one in newest.values() if one.state == "waiting"]
        if waiting:
            return max(waiting, key=lambda one: one.decided).sentence
        held = [one.detail for one in decisions if one.action == "hold" and one.cause.startswith("no-verdict")]
        return last.sentence if last else f"not judged yet: {held[-1]}" if held else "not judged yet"
    if end.outcome in _ACTS:
        done = [one for one in decisions if one.action == _ACTS[end.outcome] and one.state == "confirmed"]
        by_argo = _BY_ARGO.match(end.trouble) if end.outcome == "aborted" else None
        if by_argo and all(one.actor == "somebody else" for one in done):
            return f"aborted by Argo: {by_argo['why']}"
        return done[-1].sentence if done else f"{end.outcome} outside Serinus"
    if end.outcome == "deleted":
        return "the Rollout was deleted or is no longer watched"
    return "another revision or attempt took its place"
