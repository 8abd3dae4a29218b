"""What a leader needs: for one term, and from outside."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serinus_contracts.base import Millis
from serinus_runtime.witness import Position

from serinus_controller.use_cases.command_handler import CommandHandler
from serinus_controller.use_cases.pace_watch import PaceWatch
from serinus_controller.use_cases.ports import Journal
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.silence import SilenceWatch


class Election(Protocol):
    """Who leads."""

    noted: str
    """What the lease bears as a note, as it was read last."""

    @property
    def leading(self) -> bool:
        """Whether nobody else can hold the lease."""
        ...

    @property
    def pause(self) -> float:
        """Seconds between two attempts."""
        ...

    async def attempt(self) -> None:
        """Acquire or renew the lease. Raises ClusterError."""
        ...

    async def lapse(self) -> None:
        """Return when nobody may act under the lease any more."""
        ...

    async def release(self) -> None:
        """Give the lease back. Raises ClusterError."""
        ...


class Standing(Protocol):
    """Tells whether this controller leads."""

    stood: bool
    """Whether the lease was asked for and there was an answer."""

    async def found_loss(self, *, doubtful: bool) -> None:
        """Redis has lost data; `doubtful` if what people had decided may be part of it."""
        ...

    async def tell(self, leads: bool) -> None:
        """Write down whether it leads."""
        ...


class FencedJournal(Journal, Protocol):
    """A journal in which only the last who took it over writes."""

    position: Position
    lost: asyncio.Event

    async def take_over(self, noted: Position) -> bool:
        """From now on we write. False if something is missing of what is known to have been written."""
        ...

    async def look(self) -> float:
        """A step for `forever`: set `lost` if something is missing."""
        ...


class Housekeeper(Protocol):
    """Keeps Redis from running full."""

    async def step(self) -> float:
        """A step for `forever`."""
        ...

    def resign(self) -> None:
        """Another one leads."""
        ...


class Watcher(Protocol):
    """Brings objects of one kind to their sink; `synced` is set after the first list."""

    synced: asyncio.Event

    async def step(self) -> float:
        """A step for `forever`."""
        ...


class Reader(Protocol):
    """Reads one stream."""

    async def start(self) -> None:
        """Begin to read."""
        ...

    async def reclaim_stale(self) -> float:
        """A step for `forever`: take over what dead consumers left."""
        ...


@dataclass(frozen=True)
class Term:
    """What works while this controller leads. `watchers`: of policies, of pods, of Rollouts, each by name. `now` is the
    clock that all services share."""

    reconciler: RolloutReconciler
    commands: CommandHandler
    silence: SilenceWatch
    pace: PaceWatch
    watchers: Sequence[Mapping[str, Watcher]]
    now: Callable[[], Awaitable[Millis]]


class Streams(Protocol):
    """Verdicts and commands."""

    @property
    def readers(self) -> Mapping[str, Reader]:
        """By the names of their streams."""
        ...

    def lead(self, term: Term) -> None:
        """From now on what is read is handed to this term."""
        ...

    async def stop(self) -> None:
        """Stop reading and wait for what is being handled."""
        ...
