"""A batch from a stream, run by run: what goes wrong about one run holds up no other."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from serinus_contracts import CommandIssued, VerdictReached
from serinus_contracts.described import whole
from serinus_contracts.envelope import CloudEvent
from serinus_runtime.complaints import Complaints

S = TypeVar("S", VerdictReached, CommandIssued)


def foremost(verdicts: Iterable[CloudEvent[VerdictReached]]) -> list[CloudEvent[VerdictReached]]:
    """One for each run, aborts first: an abort matters most, else the newest; a hold and a proceed do not stay.
    What it leaves out it has as those before it told."""
    known = dict[str, VerdictReached]()
    events = list[CloudEvent[VerdictReached]]()
    for one in sorted(verdicts, key=lambda one: one.data.end):
        # The first of a stage leaves nothing out, and may be among those that do not stay.
        run = one.data.run.id
        known[run] = whole(one.data, known.get(run))
        events.append(one.model_copy(update={"data": known[run]}))
    kept = {one.data.run.id: one for one in sorted(events, key=lambda one: one.data.verdict == "abort")}
    return sorted(kept.values(), key=lambda one: one.data.verdict != "abort")


async def each(
    events: Iterable[CloudEvent[S]], handle: Callable[[CloudEvent[S]], Awaitable[None]], complaints: Complaints
) -> set[str]:
    """Handle the events in their order; gives the ids of the runs about which one failed for no foreseen reason, and
    whose later ones are left too. What may be retried is about all of them, and is raised."""
    failed = set[str]()
    for event in events:
        run = event.data.run.id
        if run in failed:
            continue
        with complaints.about(type(event.data).TYPE, run) as outcome:
            await handle(event)
        if outcome.problem:
            failed.add(run)
    return failed
