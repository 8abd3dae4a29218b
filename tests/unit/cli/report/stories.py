"""A run's story for tests of what is made of it."""

from typing import Any

from serinus_contracts import Channel, Counts, DecisionTaken, Margin, MetricVerdict
from serinus_contracts.report import Chapter, Concluded, Decided, Ended, Judged, Planned, Report, Staged
from serinus_readmodel.report import make_report

from tests.support import RUN, plan, verdict

NOON = 1_800_014_400_000  # 2027-01-15 12:00:00 UTC
ABORT = (
    "abort: errors 1.20 % against 0.20 % on stable (88 of 7,334; 47 of 23,314); worse than allowed, at a false-abort "
    "rate of 1 %"
)


def at(seconds: int) -> int:
    return NOON + 1000 * seconds


def look(seconds: int, weight: int, evidence: float, **other: Any) -> Judged:
    changed = bool(other.get("sentence"))
    fields = {
        "end": at(seconds),
        "stage": int(weight > 5),
        "weight": weight,
        "log_eprocess": evidence,
        "evaluated_requests": 100,
    }
    return Judged.by(verdict(**(fields | other)), changed=changed)


def decided(seconds: int, action: str, detail: str, **other: Any) -> Decided:
    fields: dict[str, Any] = {"step": 1, "cause": "c", "mode": "enforce", "state": "confirmed", "run": RUN}
    fields |= {"decided": at(seconds), "action": action, "detail": detail}
    return Decided(decision=DecisionTaken.model_validate(fields | other))


def metric(name: str, canary: tuple[int, int], stable: tuple[int, int], label: str) -> MetricVerdict:
    arms = [Counts(events=events, trials=trials) for events, trials in (canary, stable)]
    channel = Channel(canary=arms[0], stable=arms[1], margin=Margin(ratio=1.25, absolute=0.001))
    fields = {"name": name, "label": label, "status": "ok", "share": 0.5, "log_eprocess": 5.1, "run": (channel,)}
    return MetricVerdict.model_validate(fields)


LAST = verdict(
    end=at(75),
    verdict="abort",
    reason="evidence",
    sentence=ABORT,
    evaluation=4,
    evaluated_requests=7_334,
    log_eprocess=5.1,
    weight=25,
    metrics=(metric("errors", (88, 7_334), (47, 23_314), "worse"),),
)
CHAPTERS: list[Chapter] = [
    Planned(at=at(0), run=RUN, plan=plan()),
    Staged(at=at(1), stage=0, weight=5),
    look(31, 5, -0.5, sentence="proceed: 30 s at 5 %, no regression seen"),
    decided(32, "hold", "before_minimum"),
    decided(33, "advance", "proceed: 30 s at 5 %, no regression seen"),
    decided(
        40,
        "override",
        "override by alice@host (noise)",
        actor="alice@host",
        before={"interval": 1.0},
        after={"interval": 2.0},
    ),
    Staged(at=at(41), stage=1, weight=25),
    look(60, 25, 2.0),
    look(75, 25, 5.1, sentence=ABORT, verdict="abort", reason="evidence"),
    Concluded(verdict=LAST),
    Ended(at=at(76), outcome="aborted"),
    decided(77, "abort", ABORT),
]


def aborted() -> Report:
    return make_report(CHAPTERS)


def going_on() -> Report:
    return make_report(CHAPTERS[:4], LAST)
