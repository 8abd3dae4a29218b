"""The contract of snapshots, held against entries as they come: each rule, how often it was checked, what broke it.

Rules speak of the stream alone, so that any collector can be held against them, whatever it counts from.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from serinus_contracts import (
    AnalysisPlan,
    Bucketed,
    Counted,
    Distribution,
    Gauge,
    Gauged,
    MetricsCollected,
    Proportion,
    from_entry,
)
from serinus_contracts.base import Millis
from serinus_contracts.envelope import UnreadableEntryError
from serinus_contracts.events.snapshot import Measured, Scalar
from serinus_contracts.plan import PlanMetric, query_digest
from serinus_counting.progress import MAX_WINDOW_MS

RULES = {
    "entry": "an entry is a CloudEvent of a snapshot, with its id run:end and the flat copies of its fields",
    "once": "a snapshot is in the stream once, however often it was tried",
    "chain": "a snapshot follows the end of the one before, and the first of a run follows 0",
    "times": "a snapshot ends after its stage began, not in the future, and later than the one before",
    "plan": "its plan is in Redis, and it has the plan's metrics, each of its kind, and names the query it sent",
    "status": "only ok has counts, and a window with them; every other status says why",
    "tiles": "the windows of a metric in a stage follow each other without gap and overlap, from when it has settled",
    "stage": "no window reaches out of its snapshot or its stage",
    "counts": "counts are whole and not negative, events within trials, buckets one more than edges, parts sum up",
    "history": "stable's past comes with the first snapshot of a run and no other",
    "registry": "the registry names the last snapshot of a live run and the ends of its windows",
}
_KINDS = {Counted: Proportion, Bucketed: Distribution, Gauged: Gauge}


@dataclass(frozen=True)
class Violation:
    """What broke a rule: the entry's id in the stream, its run, and a sentence."""

    rule: str
    entry: str
    run: str
    said: str


@dataclass
class _Course:
    """What was seen last of a run; `ends` are those of its windows in the stage."""

    end: Millis
    stage_started: Millis
    entry: str
    ends: dict[str, Millis] = field(default_factory=dict)
    plan: str = ""


@dataclass(frozen=True)
class Registered:
    """What Redis keeps of a live run's windows."""

    follows: Millis
    ends: Mapping[str, Millis]


class Examiner:
    """Takes entries in their order. `whole`: the stream still has its first entry."""

    def __init__(self, *, whole: bool) -> None:
        self.checks: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self._whole = whole
        self._courses: dict[str, _Course] = {}
        self._seen: set[tuple[str, Millis]] = set()

    @property
    def runs(self) -> list[str]:
        """The runs of which snapshots were seen."""
        return list(self._courses)

    def end(self, run: str) -> Millis:
        """The end of the last snapshot of a run that was seen."""
        return self._courses[run].end

    def read(self, entry: str, fields: Mapping[str, str]) -> MetricsCollected | None:
        """The snapshot of an entry, None where it is none, which breaks the first rule."""
        run = fields.get("ce_subject", "")
        try:
            event = from_entry(MetricsCollected, fields)
        except UnreadableEntryError as error:
            self._hold("entry", entry, run, [f"cannot be read: {error}"])
            return None
        snapshot = event.data
        wanted = {"ce_id": event.id, "ce_type": event.type, "ce_subject": event.subject, **snapshot.flat()}
        wrong = [f"the flat field {name} is not {value}" for name, value in wanted.items() if fields.get(name) != value]
        if event.id != snapshot.event_id():
            wrong.append(f"its id is {event.id}, not {snapshot.event_id()}")
        if event.subject != snapshot.run.id:
            wrong.append(f"its subject is {event.subject}, not {snapshot.run.id}")
        self._hold("entry", entry, snapshot.run.id, wrong)
        return snapshot

    def take(self, entry: str, snapshot: MetricsCollected, plan: AnalysisPlan | None) -> None:
        """Hold a snapshot against the rules; `plan` is what Redis has at its digest."""
        run = snapshot.run.id
        before = self._courses.get(run)
        repeated = (run, snapshot.end) in self._seen
        self._hold("once", entry, run, ["was published before"] if repeated else [])
        if repeated:
            return
        self._seen.add((run, snapshot.end))
        self._hold("chain", entry, run, self._chain(snapshot, before))
        self._hold("times", entry, run, _times(entry, snapshot, before))
        self._hold("plan", entry, run, _plan(snapshot, plan))
        first = ["has a history, and is not the first"] if snapshot.history and snapshot.follows else []
        self._hold("history", entry, run, first)
        course = _Course(snapshot.end, snapshot.stage_started, entry, plan=snapshot.plan)
        if before and before.stage_started == snapshot.stage_started:
            course.ends = before.ends
        elif before:
            # Where it is known from the start of Argo's pause it is in whole seconds: up to one earlier than it was.
            rounded = 999 if snapshot.stage_started % 1_000 == 0 else 0
            late = [name for name, end in before.ends.items() if end > snapshot.stage_started + rounded]
            said = f"the window of {', '.join(late)} ends after the next stage began, at {snapshot.stage_started}"
            self._hold("stage", before.entry, run, [said] if late else [])
        metrics = {one.name: one for one in plan.metrics} if plan else {}
        for name, measured in snapshot.metrics.items():
            self._measured(entry, snapshot, course, name, measured, metrics.get(name), plan)
        self._courses[run] = course

    def close(self, run: str, kept: Registered | None) -> None:
        """Hold what Redis keeps of a live run against its last snapshot; None: nothing is kept."""
        course = self._courses[run]
        if kept is None:
            self._hold("registry", course.entry, run, ["the run lives, and window: of it is empty"])
            return
        wrong = []
        if kept.follows != course.end:
            wrong.append(f"follows says {kept.follows}, the last snapshot ended at {course.end}")
        wrong += [
            f"the window of {name} ends at {kept.ends.get(name)} there, and at {end} in the stream"
            for name, end in course.ends.items()
            if kept.ends.get(name) != end
        ]
        self._hold("registry", course.entry, run, wrong)

    def _hold(self, rule: str, entry: str, run: str, wrong: list[str]) -> None:
        self.checks[rule] += 1
        self.violations += [Violation(rule, entry, run, said) for said in wrong]

    def _chain(self, snapshot: MetricsCollected, before: _Course | None) -> list[str]:
        if before is None:
            begun = snapshot.follows == 0 or not self._whole
            return [] if begun else [f"is the first of its run and follows {snapshot.follows}, not 0"]
        same = snapshot.follows == before.end
        return [] if same else [f"follows {snapshot.follows}, the one before ended at {before.end}"]

    def _measured(
        self,
        entry: str,
        snapshot: MetricsCollected,
        course: _Course,
        name: str,
        measured: Measured,
        metric: PlanMetric | None,
        plan: AnalysisPlan | None,
    ) -> None:
        run, window = snapshot.run.id, measured.window
        self._hold("status", entry, run, [f"{name} {said}" for said in _status(measured)])
        if measured.status != "ok":
            return
        self._hold("counts", entry, run, [f"{name} {said}" for said in _counts(measured, metric)])
        if window is None:
            return
        out = []
        if not snapshot.stage_started <= window.begin < window.end <= snapshot.end:
            out.append(
                f"{name} counts ({window.begin}, {window.end}], its stage began at {snapshot.stage_started} and the "
                f"snapshot ends at {snapshot.end}"
            )
        self._hold("stage", entry, run, out)
        earlier, wrong = course.ends.get(name), []
        if earlier is not None and window.begin != earlier and window.end - window.begin < MAX_WINDOW_MS:
            kind = "overlaps" if window.begin < earlier else "leaves a gap to"
            wrong.append(f"{name} begins at {window.begin} and {kind} the one before, which ended at {earlier}")
        if earlier is None and self._whole and plan and metric:
            settled = snapshot.stage_started + math.floor(1000 * (plan.settle + metric.lag))
            if window.begin < settled:
                wrong.append(f"{name} begins at {window.begin}, before it has settled at {settled}")
        self._hold("tiles", entry, run, wrong)
        course.ends[name] = window.end


def _times(entry: str, snapshot: MetricsCollected, before: _Course | None) -> list[str]:
    wrong = []
    # The stream's ids are the times of Redis, whose clock is the one of all.
    written = int(entry.partition("-")[0])
    if snapshot.end > written:
        wrong.append(f"ends at {snapshot.end}, {snapshot.end - written} ms after it was written")
    if snapshot.end <= snapshot.stage_started:
        wrong.append(f"ends at {snapshot.end}, and its stage began at {snapshot.stage_started}")
    if before and snapshot.end <= before.end:
        wrong.append(f"ends at {snapshot.end}, the one before at {before.end}")
    if before and snapshot.stage_started < before.stage_started:
        wrong.append(f"its stage began at {snapshot.stage_started}, that of the one before at {before.stage_started}")
    return wrong


def _plan(snapshot: MetricsCollected, plan: AnalysisPlan | None) -> list[str]:
    if plan is None:
        return [f"names the plan {snapshot.plan}, which is not in Redis"]
    if plan.digest != snapshot.plan:
        return [f"names the plan {snapshot.plan}, and what Redis has there has the digest {plan.digest}"]
    metrics = {one.name: one for one in plan.metrics}
    wrong = []
    if metrics.keys() != snapshot.metrics.keys():
        wrong.append(f"measures {', '.join(snapshot.metrics) or 'nothing'}, its plan {', '.join(metrics)}")
    for name in metrics.keys() & snapshot.metrics.keys():
        source, measured = metrics[name].source, snapshot.metrics[name]
        if not isinstance(measured, _KINDS.get(type(source), Scalar)):
            wrong.append(f"{name} is a {measured.kind}, in its plan a {source.kind}")
        elif measured.status == "ok" and measured.query_digest != query_digest(source.query):
            wrong.append(f"{name} has the query digest {measured.query_digest!r}, not {query_digest(source.query)!r}")
    return wrong


def _status(measured: Measured) -> Iterator[str]:
    if measured.status == "ok":
        if measured.window is None and not isinstance(measured, Scalar):
            yield "is ok without a window"
        return
    if measured.window is not None:
        yield f"is {measured.status} with a window, which it must not move"
    if _holds_counts(measured):
        yield f"is {measured.status} with counts, which nobody may judge"
    if measured.status in ("error", "partial", "no_data") and not measured.detail:
        yield f"is {measured.status} and does not say why"


def _holds_counts(measured: Measured) -> bool:
    if isinstance(measured, Scalar):
        return bool(measured.values)
    if isinstance(measured, Proportion | Distribution | Gauge):
        return bool(measured.canary or measured.stable)
    return False


def _counts(measured: Measured, metric: PlanMetric | None) -> Iterator[str]:
    if isinstance(measured, Proportion):
        yield from _proportion(measured, metric)
    elif isinstance(measured, Distribution):
        edges = measured.edges
        if list(edges) != sorted(set(edges)):
            yield "has edges that do not rise"
        for arm, counts in (("canary", measured.canary), ("stable", measured.stable)):
            if counts and len(counts) != len(edges) + 1:
                yield f"has {len(counts)} buckets of {arm}, and {len(edges)} edges"
            if any(count < 0 for count in counts):
                yield f"has a negative count of {arm}"


def _proportion(measured: Proportion, metric: PlanMetric | None) -> Iterator[str]:
    # With a lag, or as a rate, more events than trials of a window are right.
    within = metric is None or (metric.count == "share" and not metric.lag)
    pairs = [*measured.canary.items(), *measured.stable.items()]
    for pod, (events, trials) in pairs:
        if events < 0 or trials < 0:
            yield f"has a negative count of {pod or 'an arm'}"
        elif events > trials and within:
            yield f"has {events} events of {trials} trials of {pod or 'an arm'}"
    parts = [*measured.segments.values(), *filter(None, [measured.other_segments])]
    if parts:
        for arm, pods in (("canary", measured.canary), ("stable", measured.stable)):
            whole = [sum(pair[i] for pair in pods.values()) for i in (0, 1)]
            apart = [sum(getattr(part, arm)[i] for part in parts) for i in (0, 1)]
            if whole != apart:
                yield f"has segments of {arm} that sum up to {apart}, and pods to {whole}"


def by_rule(violations: list[Violation]) -> dict[str, list[Violation]]:
    """The violations of each rule that has any."""
    found: dict[str, list[Violation]] = {}
    for one in violations:
        found.setdefault(one.rule, []).append(one)
    return found
