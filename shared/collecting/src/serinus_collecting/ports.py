"""What collecting a snapshot needs from outside."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from serinus_contracts import AnalysisPlan, MetricsCollected, Selector
from serinus_contracts.base import Millis
from serinus_counting.native_histograms import Histogram
from serinus_counting.series import Series
from serinus_counting.windows import RunState
from serinus_runtime.errors import TransientError


class ProviderError(TransientError):
    """The metrics provider gave no usable answer; the message is for the person who reads the verdict."""


class TooMuchError(ProviderError):
    """This query asks for more than the provider gives, or than is read; others may be answered."""


@dataclass(frozen=True)
class Answer:
    """Raw samples of all series that match. `warnings` not empty: the provider says that the answer is partial.

    `labels` names the labels of all series in their order: the same where these are; None where nobody has looked.
    """

    series: Sequence[Series]
    warnings: Sequence[str] = ()
    histograms: Sequence[Histogram] = ()
    labels: Hashable | None = None


@dataclass(frozen=True)
class Values:
    """What a query gave, NaN as None; `vector` is false for a bare number."""

    values: Sequence[float | Literal["+Inf", "-Inf"] | None]
    vector: bool = True
    warnings: Sequence[str] = ()


T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Unread(Generic[T]):
    """An answer as it came. To read it takes twenty times its bytes, so what is made of it is made at once, where it is
    read, which may be another process. `parse` gets the HTTP status and the body; it raises ProviderError."""

    status: int
    body: bytes
    parse: Callable[[int, bytes], T]

    def read(self) -> T:
        """What the answer says. Raises ProviderError."""
        return self.parse(self.status, self.body)


class Provider(Protocol):
    """Where series come from. Answers come unread."""

    async def samples(self, selector: Selector, end: Millis, reach_ms: int) -> Unread[Answer]:
        """Samples in the `reach_ms` up to and with `end`. Raises ProviderError."""
        ...

    async def sums(
        self, selector: Selector, by: Sequence[str], end: Millis, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        """Sums of last values by labels, at each multiple of `step_ms` in the `reach_ms` up to and with `end`.

        Raises ProviderError, also when it takes longer than one query may.
        """
        ...

    async def values(self, query: str, at: Millis) -> Unread[Values]:
        """What a query gives at a moment. Raises ProviderError."""
        ...


Commit = Literal["done", "moved", "weight", "full", "gone"]


@dataclass(frozen=True)
class Lease:
    """A run that is due, ours until the lease ends. `now` is the registry's clock when it was taken: one clock for
    all workers, so that a host whose clock is wrong does no harm."""

    run: str
    due: Millis
    now: Millis
    namespace: str = ""


class Registry(Protocol):
    """The runs, for all collectors of a deployment."""

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        """Runs that are due, and the seconds until the next one is."""
        ...

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan] | None:
        """What is known of a run, None if it is not there any more."""
        ...

    async def commit(
        self,
        lease: Lease,
        before: RunState,
        after: RunState,
        snapshot: MetricsCollected,
        due: Millis,
        cost_ms: float,
    ) -> Commit:
        """Publish the snapshot, move the windows and set the next due time: all or, unless `done`, nothing.

        moved: another worker committed this snapshot. weight: it changed, or is not known so far any more.
        full: the stream would lose what is not judged yet. gone: the run has ended.
        `cost_ms`: the time that this snapshot took of what all share. A namespace that takes more than its share of it
        is due later, while others have runs too.
        """
        ...

    async def postpone(self, lease: Lease, due: Millis) -> None:
        """Give the lease back without a snapshot."""
        ...

    async def give_back(self, leases: Sequence[Lease], due: Millis) -> None:
        """As `postpone`, several at once."""
        ...
