"""Snapshots that are read and not judged yet, by run: the next in a chain may be with another analyzer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from serinus_contracts import MetricsCollected, Scalar
from serinus_contracts.base import Millis
from serinus_runtime.streams import Entry

I = TypeVar("I")  # noqa: E741 - any item

MAX_WAITING = 50_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
# Read and judged in one go; a hundred snapshots of six metrics and some pods come to less.
MAX_BATCH_BYTES = 1024 * 1024
# Snapshots of so few metrics are judged together, as fast as can be: a hundred of them in some 50 ms. What is more is
# judged behind them, in passes of some 10 ms.
SMALL, MAX_LARGE = 12, 60
# Of a query: so many are compared while a metric is counted.
VALUES_A_METRIC = 50


@dataclass
class QueuedSnapshot:
    """A snapshot, the stream entry that carried it, and the trace that it belongs to. `tries`: how often it has waited
    for the one before or for its plan."""

    entry: Entry
    snapshot: MetricsCollected
    traceparent: str | None = None
    tries: int = 0

    @property
    def id(self) -> bytes:
        """Of its entry."""
        return self.entry.id

    @property
    def size(self) -> int:
        """Bytes of its entry."""
        return size(self.entry)


@dataclass
class SnapshotQueue:
    """All that waits in one analyzer."""

    _by_run: dict[str, dict[bytes, QueuedSnapshot]] = field(default_factory=dict)

    def add(self, queued: QueuedSnapshot) -> None:
        """Once: an entry that waits already keeps its tries."""
        self._by_run.setdefault(queued.snapshot.run.id, {}).setdefault(queued.id, queued)

    def of(self, run: str) -> list[QueuedSnapshot]:
        """What waits of a run."""
        return list(self._by_run.get(run, {}).values())

    def drop(self, run: str, entries: Iterable[bytes]) -> None:
        """Forget these of a run."""
        waiting = self._by_run.get(run, {})
        for entry in entries:
            waiting.pop(entry, None)
        if not waiting:
            self._by_run.pop(run, None)

    @property
    def runs(self) -> set[str]:
        """Ids of the runs of which something waits."""
        return set(self._by_run)

    def __iter__(self) -> Iterator[QueuedSnapshot]:
        return (queued for waiting in self._by_run.values() for queued in waiting.values())

    def __len__(self) -> int:
        return sum(map(len, self._by_run.values()))

    @property
    def full(self) -> bool:
        """Too much waits to take in more."""
        return len(self) > MAX_WAITING or sum(queued.size for queued in self) > MAX_WAITING_BYTES


def next_in_chain(through: Millis, queued: Sequence[QueuedSnapshot]) -> QueuedSnapshot | None:
    """The one that continues a chain judged so far, None if it is not among them."""
    return next((each for each in queued if each.snapshot.follows == through), None)


def repeats(through: Millis, queued: Sequence[QueuedSnapshot]) -> list[QueuedSnapshot]:
    """Those that were judged before."""
    return [each for each in queued if each.snapshot.end <= through]


def forks(through: Millis, queued: Sequence[QueuedSnapshot]) -> list[QueuedSnapshot]:
    """Those that begin before what was judged and end after it: judged, they would count requests twice."""
    return [each for each in queued if each.snapshot.follows < through < each.snapshot.end]


def size(entry: Entry) -> int:
    """Bytes of an entry's fields."""
    return sum(map(len, entry.fields.values()))


def in_batches(items: Iterable[I], size: Callable[[I], int]) -> Iterator[list[I]]:
    """The items in their order, as many together as come to so many bytes, one at least."""
    batch, total = list[I](), 0
    for item in items:
        if batch and total + size(item) > MAX_BATCH_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size(item)
    if batch:
        yield batch


def work(snapshot: MetricsCollected) -> int:
    """What judging it takes, in metrics."""
    values = sum(len(one.values) for one in snapshot.metrics.values() if isinstance(one, Scalar))
    return len(snapshot.metrics) + values // VALUES_A_METRIC


def passes(work_by_run: Mapping[str, int]) -> Iterator[set[str]]:
    """The runs in the order in which they are judged and committed: small ones first and together, then the others, so
    that nobody's verdict waits for another's fifty conditions."""
    if small := {run for run, much in work_by_run.items() if much <= SMALL}:
        yield small
    some, total = set[str](), 0
    for run, much in sorted(work_by_run.items(), key=lambda item: item[1]):
        if much <= SMALL:
            continue
        if some and total + much > MAX_LARGE:
            yield some
            some, total = set(), 0
        some.add(run)
        total += much
    if some:
        yield some


def stream_order(entry: bytes) -> tuple[int, int]:
    """Entry ids in the order of the stream."""
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence or 0)
