"""Which evaluations are kept in a run's report: all at first, then ever fewer, so that a long run stays small."""

from serinus_contracts import VerdictReached
from serinus_contracts.report import Judged

ALL_UP_TO = 128
# A verdict that keeps changing for so long tells nothing new by changing once more.
CHANGES_UP_TO = 1_000


def chapter(verdict: VerdictReached) -> Judged | None:
    """The chapter of an evaluation, None if it is not kept: after the first 128 64 of each doubling are."""
    changed = verdict.changed and verdict.evaluation <= CHANGES_UP_TO
    apart = 2 ** max(0, verdict.evaluation.bit_length() - ALL_UP_TO.bit_length() + 1)
    return Judged.by(verdict, changed=changed) if changed or verdict.evaluation % apart == 0 else None
