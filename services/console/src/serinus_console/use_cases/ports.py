"""What the pages and the API need of the outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from serinus_contracts import CommandIssued
from serinus_contracts.report import Report
from serinus_contracts.streams import Stream
from serinus_runtime.errors import TransientError


class Page(NamedTuple):
    """Events of a run as JSON, newest first, and where to go on."""

    documents: Sequence[str]
    next: str | None


class Archive(Protocol):
    """The past of a run, and the way to ask for something."""

    async def told(self, stream: Stream, run: str, before: str, limit: int) -> Page:
        """Events of a run in entries older than `before` (an entry id, or `+`). A page may be short, or empty, and
        still have a next one: so many entries are looked through at most."""
        ...

    async def report(self, run: str) -> Report | None:
        """The history of a run, live or ended; None if none is kept. Raises ValueError if what is kept is none."""
        ...

    async def send(self, command: CommandIssued) -> None:
        """Put the command into its stream, where its controller finds it."""
        ...


@dataclass(frozen=True)
class Person:
    """Who asks, as somebody else has verified."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Directory(Protocol):
    """Who may do what. Both raise DirectoryError if it cannot be found out: then nobody may."""

    async def person(self, token: str) -> Person | None:
        """Whose token it is; None if it is forged, expired or for another audience."""
        ...

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        """Whether the person may patch the status of this Rollout, as an abort by kubectl would."""
        ...


class DirectoryError(TransientError):
    """Nobody could be asked."""
