"""Holds all that was told of runs against what the scrapes really showed, and against itself.

Of every run, by the simulator's log of scrapes and not by the collector's code:
the count of each window; the snapshots as a chain without a hole or a repeat, with one verdict each; the counts that a
verdict stands on as the sum of its snapshots, per metric and arm; one decision for a cause; no gate skipped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from serinus_contracts import (
    AnalysisPlan,
    Channel,
    DecisionTaken,
    Event,
    Keys,
    MetricsCollected,
    Proportion,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
)
from serinus_contracts.base import Arm
from serinus_contracts.described import identity
from serinus_runtime.plans import Plans
from serinus_runtime.redis import Client

from serinus_simulator.audit import order
from serinus_simulator.audit.truth import Pages, Times, expected, read_truth, stamped

ARMS: tuple[Arm, Arm] = ("canary", "stable")


@dataclass(frozen=True)
class Ledger:
    """`windows` were compared, `faults` are the differences, each in a sentence."""

    windows: int
    faults: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether something was compared, and all agreed."""
        return not self.faults and self.windows > 0


@dataclass
class RunEvents:
    """All events of one run, in the order of the streams."""

    observed: list[RolloutObserved] = field(default_factory=list)
    snapshots: list[MetricsCollected] = field(default_factory=list)
    verdicts: list[VerdictReached] = field(default_factory=list)
    decisions: list[DecisionTaken] = field(default_factory=list)


_LISTS: Mapping[type[Event], str] = {
    RolloutObserved: "observed",
    MetricsCollected: "snapshots",
    VerdictReached: "verdicts",
    DecisionTaken: "decisions",
}


async def _read_events(client: Client, keys: Keys) -> dict[str, RunEvents]:
    """By run."""
    entries: Any = {kind.STREAM: await client.xrange(keys.stream(kind.STREAM)) for kind in _LISTS}
    return sorted_out(entries)


def sorted_out(entries: Mapping[str, Iterable[tuple[bytes, Mapping[bytes, bytes]]]]) -> dict[str, RunEvents]:
    """The events of streams by run; what cannot be read is for the dead letters."""
    found: dict[str, RunEvents] = {}
    for kind, name in _LISTS.items():
        for _, fields in entries[kind.STREAM]:
            try:
                event = from_entry(kind, fields).data
            except UnreadableEntryError:
                continue
            getattr(found.setdefault(event.run.id, RunEvents()), name).append(event)
    return found


async def check(
    client: Client, keys: Keys, run: str, truth: Path, scraper: str = "simulator", times: Times | None = None
) -> Ledger:
    """The ledger of one run, against the log of scrapes (JSON Lines) by one scraper.

    A Prometheus stamps a sample with the time at which its scrape began, not with that of the answer which is in
    the log: `times` gives the stamps (ms) of each pod, in order.
    """
    events = (await _read_events(client, keys)).get(run)
    if events is None or not events.snapshots:
        return Ledger(0, ("no snapshot was taken",))
    pages: Pages = read_truth(truth, scraper).get((events.snapshots[0].run.namespace, events.snapshots[0].run.name), {})
    if times is not None:
        pages = {pod: stamped(known, times.get(pod, ())) for pod, known in pages.items()}
    return compare(events, await plans_of(client, keys, [events]), pages)


async def check_all(client: Client, keys: Keys, truth: Path, by_run: Mapping[str, RunEvents]) -> dict[str, Ledger]:
    """The ledger of every run of which a snapshot was taken."""
    plans = await plans_of(client, keys, by_run.values())
    pages = read_truth(truth, "simulator")
    return {
        run: compare(one, plans, pages.get((one.snapshots[0].run.namespace, one.snapshots[0].run.name), {}))
        for run, one in by_run.items()
        if one.snapshots
    }


async def plans_of(client: Client, keys: Keys, runs: Iterable[RunEvents]) -> dict[str, AnalysisPlan]:
    """By digest, those of the snapshots that are still kept."""
    plans = Plans(client, keys)
    digests = {snapshot.plan for one in runs for snapshot in one.snapshots}
    return {digest: plan for digest in digests if (plan := await plans.get(digest))}


def compare(events: RunEvents, plans: Mapping[str, AnalysisPlan], pages: Pages) -> Ledger:
    """What was told of a run against the pages of its pods."""
    faults = [*order.of_snapshots(events.snapshots, events.verdicts), *order.of_verdicts(events.verdicts)]
    faults += order.of_decisions(events.decisions, events.verdicts, events.observed, plans)
    true: dict[tuple[int, str, str], list[int]] = {}
    for snapshot in events.snapshots:
        for name, measured in snapshot.metrics.items():
            # Gauges are no counts, and a query of its own knows its arms itself.
            if measured.status != "ok" or measured.window is None or measured.kind in ("gauge", "scalar"):
                continue
            plan = plans[snapshot.plan]
            metric = next(metric for metric in plan.metrics if metric.name == name)
            for arm in ARMS:
                shown = true[snapshot.end, name, arm] = expected(plan, metric, snapshot, arm, pages)
                seen = getattr(measured, arm)
                counted = _totals(seen.values()) if isinstance(measured, Proportion) else list(seen)
                # An arm that warms up counts nothing: no buckets, or empty ones.
                if counted != shown and (any(counted) or any(shown)):
                    faults.append(
                        f"{name} of {arm} in the snapshot to {snapshot.end}: counted {counted}, scrapes show {shown}"
                    )
    faults += folded_faults(events, plans, true)
    return Ledger(len(true) // len(ARMS), faults)


def _totals(pods: Iterable[tuple[int, int]]) -> list[int]:
    pairs = list(pods)
    return [sum(events for events, _ in pairs), sum(trials for _, trials in pairs)]


def folded_faults(
    events: RunEvents, plans: Mapping[str, AnalysisPlan], true: Mapping[tuple[int, str, str], list[int]]
) -> Iterable[str]:
    """Where the counts under a verdict have not grown by just what its snapshot showed.

    Only the default judge says them per channel, and between two described verdicts of the one alone that tells most.
    Snapshots without requests on an arm are not judged, and after an abort the numbers stay as they were when it was
    decided.
    """
    snapshots = {snapshot.end: snapshot for snapshot in events.snapshots}
    judged: dict[str, list[tuple[MetricsCollected, dict[Arm, list[int] | None]]]] = {}
    before: dict[tuple[object, ...], _Told] = {}
    aborted = False
    for verdict in events.verdicts:
        snapshot = snapshots.get(verdict.end)
        if snapshot is None or verdict.judge != "sequential":
            continue
        for metric in (one for one in verdict.metrics if not one.limit):
            past = judged.setdefault(metric.name, [])
            if metric.run and not aborted:
                past.append((snapshot, {arm: true.get((verdict.end, metric.name, arm)) for arm in ARMS}))
            for channel in metric.run:
                key = (metric.name, *identity(channel))
                told = before.get(key, _Told())
                wanted = {arm: told.counts[arm] for arm in ARMS}
                for one, shown in past[told.snapshots :]:
                    added = {
                        arm: _of_channel(one, plans[one.plan], metric.name, shown[arm], channel, arm) for arm in ARMS
                    }
                    if all(trials > 0 for _, trials in added.values()):
                        wanted = {arm: (wanted[arm][0] + added[arm][0], wanted[arm][1] + added[arm][1]) for arm in ARMS}
                for arm in ARMS:
                    counts = getattr(channel, arm)
                    # what stable has inside a bucket is a part of it, added up as a fraction and told rounded
                    rounding = 1 if arm == "stable" and channel.stable_bucket else 0
                    if abs(counts.events - wanted[arm][0]) > rounding or counts.trials != wanted[arm][1]:
                        yield (
                            f"{metric.name} of {arm} under the verdict to {verdict.end}: {counts.events} of "
                            f"{counts.trials}, its snapshots make {wanted[arm][0]} of {wanted[arm][1]}"
                        )
                counted = {arm: (getattr(channel, arm).events, getattr(channel, arm).trials) for arm in ARMS}
                before[key] = _Told(len(past), counted)
        aborted = aborted or verdict.verdict == "abort"


class _Told(NamedTuple):
    """Events and trials of a channel per arm as they were told last, and how many judged snapshots they are of."""

    snapshots: int = 0
    counts: Mapping[Arm, tuple[float, int]] = dict.fromkeys(ARMS, (0, 0))


def _of_channel(
    snapshot: MetricsCollected, plan: AnalysisPlan, name: str, shown: list[int] | None, channel: Channel, arm: Arm
) -> tuple[float, int]:
    """Events and trials of one channel in a snapshot: of a distribution, those above its edge, of stable with a part of
    the bucket that its edge lies in."""
    measured = snapshot.metrics.get(name)
    if shown is None or measured is None:
        return 0, 0
    if isinstance(measured, Proportion):
        return _warm(snapshot, plan, measured, arm)
    if measured.kind != "distribution":
        return 0, 0
    if arm == "stable" and channel.stable_bucket and channel.stable_part is not None:
        below, above = (_above(shown, measured.edges, edge) for edge in channel.stable_bucket)
        return above + channel.stable_part * (below - above), sum(shown)
    edge = channel.canary_edge if arm == "canary" else channel.stable_edge
    return (_above(shown, measured.edges, edge), sum(shown)) if edge in measured.edges else (0, 0)


def _warm(snapshot: MetricsCollected, plan: AnalysisPlan, measured: Proportion, arm: Arm) -> tuple[int, int]:
    """Without the pods that were warming up when the window began; where no pod is known, nothing of a canary that has
    such pods in the first seconds of a stage."""
    begin = measured.window.begin if measured.window else snapshot.follows
    cold = {pod.name for pod in snapshot.pods if pod.started is not None and pod.started > begin - 1000 * plan.warmup}
    ours = any(pod.arm == "canary" and pod.name in cold for pod in snapshot.pods)
    if set(measured.canary) <= {""} and ours and begin < snapshot.stage_started + 1000 * plan.warmup:
        return 0, 0
    events, trials = _totals([counts for name, counts in getattr(measured, arm).items() if name not in cold])
    return events, trials


def _above(shown: list[int], edges: Sequence[float], edge: float | None) -> int:
    """Requests slower than an edge; 0 lies before the first."""
    return sum(shown[edges.index(edge) + 1 :]) if edge else sum(shown)
