"""How many runs of a namespace may begin: what one namespace has in thousands must hold up nobody, nor fill Redis."""

from collections import Counter
from collections.abc import Iterable

from serinus_contracts import AnalysisPlan
from serinus_contracts.base import Millis

# Of one namespace between two lists: each takes the leader some milliseconds, in which it sees nothing of the others.
MAX_BEGUN = 500
# Of Redis, by the runs of one namespace that are under way, and by those that it begins within an hour.
MAX_BYTES = 64 << 20
HOUR_MS = 3_600_000
# What a run leaves there beside its plan, which stands in its report too.
RUN_BYTES = 8 << 10


class Admission:
    """`max_runs`: how many of a namespace are judged at once."""

    def __init__(self, max_runs: int) -> None:
        self.max_runs = max_runs
        self._begun: Counter[str] = Counter()
        self._in_progress: Counter[str] = Counter()
        self._bytes_in_progress: Counter[str] = Counter()
        self._bytes_begun: dict[str, tuple[float, Millis]] = {}

    def listed(self, runs: Iterable[tuple[str, AnalysisPlan]]) -> None:
        """A new list has come: `runs` are those under way, each as its namespace and plan."""
        self._begun.clear()
        self._in_progress.clear()
        self._bytes_in_progress.clear()
        for namespace, plan in runs:
            self._in_progress[namespace] += 1
            self._bytes_in_progress[namespace] += _bytes(plan)

    def waits(self, namespace: str) -> bool:
        """Whether so many have begun just now that the next list will do."""
        return self._begun[namespace] >= MAX_BEGUN

    def full(self, namespace: str, now: Millis) -> str:
        """What the namespace has as much of as may be, empty if it may begin another run."""
        # As of the last list: to count them again for each of thousands that may not begin would hold the leader.
        if self._in_progress[namespace] + self._begun[namespace] >= self.max_runs:
            return f"{self.max_runs:,} releases under way, as many as are judged at once (SERINUS_MAX_RUNS)"
        if self._bytes_in_progress[namespace] >= MAX_BYTES:
            return f"releases under way whose plans take {MAX_BYTES >> 20} MiB: let its policies ask for fewer metrics"
        if self._level(namespace, now) >= MAX_BYTES:
            return f"begun releases within an hour that take {MAX_BYTES >> 20} MiB, the next follow by and by"
        return ""

    def begin(self, namespace: str) -> None:
        """One more is about to begin."""
        self._begun[namespace] += 1

    def begins(self, namespace: str, plan: AnalysisPlan, now: Millis) -> None:
        """It begins under this plan."""
        self._bytes_in_progress[namespace] += _bytes(plan)
        self._bytes_begun[namespace] = self._level(namespace, now) + _bytes(plan), now

    def _level(self, namespace: str, now: Millis) -> float:
        level, at = self._bytes_begun.get(namespace, (0.0, now))
        return max(0.0, level - MAX_BYTES * (now - at) / HOUR_MS)


def _bytes(plan: AnalysisPlan) -> int:
    return 2 * len(plan.canonical) + RUN_BYTES
