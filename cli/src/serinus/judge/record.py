"""A judgement as a report, so that it is shown, kept and read as that of a release."""

from dataclasses import dataclass, field

from serinus_contracts import AnalysisPlan, Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.described import whole
from serinus_contracts.report import Judged, Planned, Report, Staged
from serinus_readmodel.report import make_report

from serinus.judge.show import sentence

# For a curve; of what goes on for days every second evaluation is left out again and again.
MAX_JUDGED = 2_000


@dataclass
class Record:
    """What was judged up to now."""

    run: Run
    plan: AnalysisPlan
    began: Millis
    last: VerdictReached | None = None
    _judged: list[Judged] = field(default_factory=list)

    def add(self, verdict: VerdictReached) -> None:
        """The next verdict, kept with what it leaves out, as it was told last."""
        self.last = whole(verdict, self.last).model_copy(update={"sentence": sentence(verdict)})
        self._judged.append(Judged.by(self.last, changed=verdict.changed))
        if len(self._judged) > MAX_JUDGED:
            self._judged = [one for i, one in enumerate(self._judged) if one.sentence or i % 2]

    def report(self, ended: Millis) -> Report | None:
        """None while nothing was evaluated."""
        if self.last is None:
            return None
        stage = Staged(at=self.began, stage=0, weight=self.last.weight)
        begin = Planned(at=self.began, run=self.run, plan=self.plan)
        made = make_report([begin, stage, *self._judged], self.last)
        return made.model_copy(update={"concluded": self.last.verdict, "ended": ended})
