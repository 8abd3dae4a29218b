"""Verdicts and commands from their streams: decode an entry, hand it to its handler, acknowledge it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from serinus_contracts import CommandIssued, UnreadableEntryError, VerdictReached, from_entry
from serinus_contracts.base import Millis
from serinus_contracts.envelope import CloudEvent, E
from serinus_runtime import traces
from serinus_runtime.complaints import Complaints
from serinus_runtime.streams import Entry, GroupReader, Handler

from serinus_controller.entrypoints.batches import each, foremost
from serinus_controller.use_cases.term import Term

Stream = Literal["verdicts", "commands"]


class Streams:
    """Reads while this controller leads. `make` makes the reader of a stream; `now` is the clock that all services
    share."""

    def __init__(
        self,
        make: Callable[[Stream, Handler], GroupReader],
        now: Callable[[], Awaitable[Millis]],
        complaints: Complaints,
    ) -> None:
        self._now, self._complaints = now, complaints
        self._verdicts = make("verdicts", self._on_verdicts)
        self._commands = make("commands", self._on_commands)
        self._term: Term | None = None

    @property
    def readers(self) -> dict[str, GroupReader]:
        """By the names of their streams."""
        return {"verdicts": self._verdicts, "commands": self._commands}

    def lead(self, term: Term) -> None:
        """From now on what is read is handed to this term."""
        self._term = term

    async def stop(self) -> None:
        """Stop reading and wait for what is being handled."""
        for reader in self.readers.values():
            await reader.stop()

    async def _on_verdicts(self, entries: Sequence[Entry]) -> None:
        assert self._term is not None
        reconciler, now = self._term.reconciler, await self._now()

        async def react(verdict: CloudEvent[VerdictReached]) -> None:
            with traces.span("decide", verdict.traceparent, run=verdict.data.run.id):
                await reconciler.on_verdict(verdict.data, now)

        verdicts = await _readable(self._verdicts, VerdictReached, entries)
        failed = await each(foremost(verdicts.values()), react, self._complaints)
        await self._verdicts.ack(*(id_ for id_, verdict in verdicts.items() if verdict.data.run.id not in failed))

    async def _on_commands(self, entries: Sequence[Entry]) -> None:
        assert self._term is not None
        handler, now = self._term.commands, await self._now()
        for entry in entries:
            commands = await _readable(self._commands, CommandIssued, [entry])
            for command in commands.values():
                run = command.data.run.id
                with (
                    self._complaints.about("command", f"{command.data.id} of {run}") as outcome,
                    traces.span("command", command.traceparent, run=run),
                ):
                    await handler.on_command(command.data, now)
                if outcome.problem:
                    # Who gave it waits for an answer; what it has begun already, another try could do twice.
                    with self._complaints.about("command", f"{command.data.id} of {run}, its answer"):
                        await handler.failed(command.data, outcome.problem)
                    await self._commands.dead_letter(entry, outcome.problem)
            await self._commands.ack(*commands)


async def _readable(reader: GroupReader, kind: type[E], entries: Sequence[Entry]) -> dict[bytes, CloudEvent[E]]:
    """The events by their entries' ids; what cannot be read goes to the dead letters, which acknowledges it."""
    events = {}
    for entry in entries:
        try:
            events[entry.id] = from_entry(kind, entry.fields)
        except UnreadableEntryError as error:
            await reader.dead_letter(entry, str(error))
    return events
