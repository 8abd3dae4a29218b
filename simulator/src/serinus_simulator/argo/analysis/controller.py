"""Argo's analysis controller: takes each AnalysisRun's measurements when they are due and writes what they make.

An AnalysisRun has no status subresource, so every write of its status makes a new generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from serinus_simulator.argo.analysis.arguments import AnalysisError, placeholders, put_in, values
from serinus_simulator.argo.analysis.assessing import (
    COMPLETED,
    Measured,
    add,
    assess,
    due_at,
    is_terminating,
    matched,
    trim,
)
from serinus_simulator.argo.analysis.metrics import Metric, read_metrics
from serinus_simulator.argo.analysis.providers import Outcome, Providers
from serinus_simulator.argo.events import EventRecorder
from serinus_simulator.clock import Agenda, Entry, timestamp
from serinus_simulator.kubernetes.kinds import ANALYSIS_RUNS, Object
from serinus_simulator.kubernetes.objects import Change, ObjectStore

Key = tuple[str, str]


@dataclass(frozen=True)
class _Plan:
    """A run as it was read, with its metrics, which of them only run dry, and how many measurements each keeps."""

    run: Object
    metrics: list[Metric]
    dry: dict[str, Object]
    retention: dict[str, Object]

    @property
    def status(self) -> Object:
        return self.run.get("status") or {}


class AnalysisController:
    """Looks after every AnalysisRun of a store. `delay` is the time in seconds of one pass."""

    def __init__(
        self, store: ObjectStore, agenda: Agenda, providers: Providers, events: EventRecorder, *, delay: float
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._providers = providers
        self._events = events
        self._delay = delay
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._later: dict[Key, Entry] = {}
        store.subscribe(ANALYSIS_RUNS, self._changed)

    def _changed(self, change: Change) -> None:
        key = _key(change.last)
        if change.new is not None:
            self._enqueue(key)
        elif (waiting := self._later.pop(key, None)) is not None:
            waiting.cancel()

    def _enqueue(self, key: Key) -> None:
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._agenda.after(self._delay / 2, partial(self._begin, key))

    def _begin(self, key: Key) -> None:
        self._queued.discard(key)
        run = self._store.peek(ANALYSIS_RUNS, *key)
        if run is None or (run.get("status") or {}).get("phase") in COMPLETED:
            return
        self._busy.add(key)
        try:
            plan = self._plan(run)
            tasks = self._tasks(plan)
        except AnalysisError as error:
            self._give_up(run, str(error))
            return
        if not tasks:
            self._finish(plan, [])
        taken: list[Measured] = []
        for metric, secrets in tasks:
            tell = partial(self._told, plan, len(tasks), taken, (metric.name, self._agenda.now), secrets)
            self._providers.measure(metric, tell)

    def _plan(self, run: Object) -> _Plan:
        spec = run.get("spec") or {}
        metrics = read_metrics(put_in(spec.get("metrics") or [], placeholders(spec.get("args") or [])))
        dry = matched(spec.get("dryRun") or [], metrics, "dryRun")
        return _Plan(
            run, metrics, dry, matched(spec.get("measurementRetention") or [], metrics, "measurementRetention")
        )

    def _tasks(self, plan: _Plan) -> list[tuple[Metric, list[str]]]:
        """The metrics that are due with their arguments put in, and what must not be shown of them."""
        spec, now = plan.run.get("spec") or {}, self._agenda.now
        if is_terminating(spec, plan.status):
            return []
        due = {metric.name: due_at(metric, plan.status) for metric in plan.metrics}
        names = [name for name, when in due.items() if when is not None and when <= now]
        if not names:
            return []
        arguments, secrets = values(spec.get("args") or [], self._store, plan.run["metadata"]["namespace"])
        written = [metric for metric in spec["metrics"] if metric["name"] in names]
        return [(metric, secrets) for metric in read_metrics(put_in(written, arguments))]

    def _told(
        self,
        plan: _Plan,
        count: int,
        taken: list[Measured],
        begun: tuple[str, float],
        secrets: list[str],
        outcome: Outcome,
    ) -> None:
        """One of so many measurements: `begun` is its metric, and since when it was taken."""

        def take() -> None:
            phase, value, message = outcome
            for secret in filter(None, secrets):
                message = message.replace(secret, "*****")
            taken.append(Measured(*begun, self._agenda.now, phase, value, message))
            if len(taken) == count:
                self._finish(plan, taken)

        self._agenda.interrupt(take)

    def _finish(self, plan: _Plan, taken: list[Measured]) -> None:
        spec, run = plan.run.get("spec") or {}, plan.run
        metadata = {
            metric.name: {"ResolvedPrometheusQuery": metric.provider["prometheus"].get("query", "")}
            for metric in plan.metrics
            if metric.provider_name == "prometheus"
        }
        status = add(plan.status, taken, plan.dry, metadata)
        status = assess(spec, status, plan.metrics, plan.dry, self._agenda.now, partial(self._events.record, run))
        status = trim(status, plan.retention)
        self._agenda.after(self._delay / 2, partial(self._write, plan, status))

    def _give_up(self, run: Object, why: str) -> None:
        """What cannot be read is an error of the whole run, at once."""
        status = (run.get("status") or {}) | {"phase": "Error", "message": f"Analysis spec invalid: {why}"}
        status["completedAt"] = timestamp(self._agenda.now)
        self._events.record(run, "Warning", "AnalysisRunError", "Analysis Completed. Result: Error")
        self._agenda.after(self._delay / 2, partial(self._write, _Plan(run, [], {}, {}), status))

    def _write(self, plan: _Plan, status: Object) -> None:
        key = _key(plan.run)
        self._busy.discard(key)
        if self._store.peek(ANALYSIS_RUNS, *key) is not None:
            self._store.modify(ANALYSIS_RUNS, *key, lambda old: old | {"status": status})
            self._come_back(key, plan, status)
        if key in self._again:
            self._again.discard(key)
            self._enqueue(key)

    def _come_back(self, key: Key, plan: _Plan, status: Object) -> None:
        if (waiting := self._later.pop(key, None)) is not None:
            waiting.cancel()
        moments = [when for metric in plan.metrics if (when := due_at(metric, status)) is not None]
        if moments and status.get("phase") not in COMPLETED:
            self._later[key] = self._agenda.at(max(min(moments), self._agenda.now), partial(self._enqueue, key))


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
