"""Which decisions are worth an Event in the cluster, and by what reason."""

from dataclasses import dataclass

from serinus_contracts import DecisionTaken

_DONE = {
    "advance": "Advanced",
    "promote": "Promoted",
    "abort": "Aborted",
    "hold": "Held",
    "await_approval": "AwaitsApproval",
    "retry": "Retried",
    "override": "Overridden",
    "recorded": "CommandRecorded",
    "refused": "CommandRefused",
}
# Every stage passes through these; telling them would bury what matters.
_ROUTINE = ("settling", "awaiting_baseline", "before_minimum", "insufficient_evidence")


@dataclass(frozen=True)
class Notice:
    """What the team of a Rollout should know of it that is no decision: most often, why no release is judged.

    `policies`: names of those that are meant.
    """

    namespace: str
    name: str
    uid: str
    text: str
    policies: tuple[str, ...] = ()


def worth_telling(decision: DecisionTaken) -> bool:
    """Whether a decision is worth an Event: all but the holds that every stage passes through."""
    return decision.action != "hold" or decision.detail not in _ROUTINE


def reason_of(decision: DecisionTaken) -> str:
    """The Event's reason, such as SerinusAborted, SerinusWouldAdvance, SerinusAbortWaits, SerinusPromoteFailed."""
    if decision.state == "intended":
        return f"SerinusWould{decision.action.capitalize()}"
    if decision.state == "waiting":
        return f"Serinus{decision.action.capitalize()}Waits"
    if decision.state == "failed":
        return f"Serinus{decision.action.capitalize()}Failed"
    return f"Serinus{_DONE[decision.action]}"
