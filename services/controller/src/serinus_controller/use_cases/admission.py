"""How many runs of a namespace may begin: what one namespace has in thousands must not hold up the others."""

from collections import Counter
from collections.abc import Iterable

# Of one namespace between two lists: each takes the leader some milliseconds, in which it sees nothing of the others.
MAX_BEGUN = 500


class Admission:
    """`max_runs`: how many of a namespace are judged at once."""

    def __init__(self, max_runs: int) -> None:
        self.max_runs = max_runs
        self._begun: Counter[str] = Counter()
        self._in_progress: Counter[str] = Counter()

    def listed(self, namespaces: Iterable[str]) -> None:
        """A new list has come: `namespaces` are those of the runs under way, one for each run."""
        self._begun.clear()
        self._in_progress = Counter(namespaces)

    def waits(self, namespace: str) -> bool:
        """Whether so many have begun just now that the next list will do."""
        return self._begun[namespace] >= MAX_BEGUN

    def full(self, namespace: str) -> bool:
        """Whether the namespace has as many runs as may be."""
        # As of the last list: to count them again for each of thousands that may not begin would hold the leader.
        return self._in_progress[namespace] + self._begun[namespace] >= self.max_runs

    def begin(self, namespace: str) -> None:
        """One more is about to begin."""
        self._begun[namespace] += 1
