"""One run judged in this process, snapshot by snapshot."""

from serinus_contracts import AnalysisPlan, MetricsCollected, VerdictReached

from serinus_judging.evaluation import Evaluation, evaluate
from serinus_judging.run_record import RunRecord


class JudgedRun:
    """The verdicts of one plan on the snapshots of a run, whatever plan they were taken for."""

    def __init__(self, plan: AnalysisPlan) -> None:
        self._plan, self._record = plan, RunRecord()

    def judge(self, snapshot: MetricsCollected) -> VerdictReached:
        """The verdict up to this snapshot, later than all before; one that is missing between is a recorded gap."""
        snapshot = snapshot.model_copy(update={"plan": self._plan.digest})
        if snapshot.follows != self._record.through:
            self._record = self._record.bridged(snapshot)
        ((self._record, verdict),) = evaluate([Evaluation(self._record, self._plan, snapshot)])
        return VerdictReached.model_validate(verdict)
