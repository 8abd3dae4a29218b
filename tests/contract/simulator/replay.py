"""Drive the simulator with a recording's own requests, each sent when the same states have been seen.

A request that meets Argo in the middle of a pass meets it a few milliseconds earlier or later each time, on a real
cluster as here, and now and then another state flashes by. So a request may be sent at any of a few moments after the
state that it followed in the recording; one of them has to bring the recorded states in the recorded order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from serinus_simulator.fetching import Answered, Asked
from serinus_simulator.kubernetes.kinds import ANALYSIS_RUNS, EVENTS, ROLLOUTS
from serinus_simulator.kubernetes.objects import Change
from serinus_simulator.server import create_app
from serinus_simulator.world.scenario import Argo, Scenario
from serinus_simulator.world.world import World

from tests.contract.simulator.recordings import Event, Names, State, answers_of, run_of, state_of, told
from tests.unit.simulator.clocks import ManualClock

MOMENTS = (0.0, 0.006, 0.009, 0.012, 0.017, 0.025, 0.05)
"""Seconds after the recorded moment at which a request may be sent."""
LONG = 0.4
"""From so many seconds on, the recorder waited on purpose, and so is waited here."""
SERVED = ("/rollouts", "/services", "/ingresses", "/deployments", "/analysistemplates")
DELETED = "deleted"
TRUNCATED = 1.3
"""Deadlines have whole seconds, so what they delay comes up to a second earlier or later."""


@dataclass
class Request:
    """A request of the recording: how many states had been seen, and how long ago the last one."""

    event: Event
    after_states: int
    wait: float
    code: int = 0
    body: Any = None


@dataclass
class Script:
    """A recording as a list of distinct states and the requests between them."""

    states: list[State | str]
    requests: list[Request]
    uids: list[str]
    names: Names
    tail: float
    statuses: list[Any]
    """The whole status as each of the states first appeared."""
    last: Any
    """The Rollout as it was at the end."""
    runs: list[dict[str, Any]]
    """Every version of every AnalysisRun."""
    events: list[tuple[str, ...]]
    """The Events about the Rollout and its AnalysisRuns."""
    answers: list[tuple[int, str] | None]
    """What the endpoint of an analysis answered, in order; None where it was away."""


def script(events: list[Event]) -> Script:
    names = Names()
    states: list[State | str] = []
    requests: list[Request] = []
    uids: list[str] = []
    statuses: list[Any] = []
    runs: list[dict[str, Any]] = []
    tellings: list[tuple[str, ...]] = []
    last = None
    last_state = last_request = end = 0.0
    for event in events[1:]:
        end = event["t"]
        if event["event"] == "watch" and event["kind"] == "Rollout":
            last = event["object"]
            uid = last["metadata"]["uid"]
            if uid not in uids:
                uids.append(uid)
            state = DELETED if event["type"] == "DELETED" else state_of(event["object"], names)
            if not states or states[-1] != state:
                states.append(state)
                statuses.append(event["object"].get("status"))
                last_state = event["t"]
        elif event["event"] == "watch" and event["kind"] == "AnalysisRun":
            run = event["object"]
            runs.append(run_of(run["name"], run, whole=event["type"] == "ADDED"))
        elif event["event"] == "watch" and event["kind"] == "Event":
            about = str(event["object"]["about"])
            if not about.startswith("ReplicaSet/"):
                tellings.append(told(about, event["object"]))
        elif event["event"] == "request" and any(part in event["path"] for part in SERVED):
            waited = event["t"] - max(last_state, last_request)
            requests.append(Request(event, len(states), waited if waited > LONG else 0.0))
            last_request = event["t"]
        elif event["event"] == "response":
            for request in requests:
                if request.event["n"] == event["n"]:
                    request.code, request.body = event["code"], event["body"]
    tail = end - last_request
    return Script(states, requests, uids, names, tail, statuses, last, runs, tellings, answers_of(events))


@dataclass
class Outcome:
    """What the simulator did: its states, how many there were at each request, its answers, and whole statuses."""

    states: list[State | str]
    states_at: list[int]
    answers: list[httpx.Response]
    names: Names
    statuses: list[Any]
    last: Any
    """The Rollout as it was at the end."""
    runs: list[dict[str, Any]]
    events: list[tuple[str, ...]]


class Replay:
    """One run of a script."""

    def __init__(self, wanted: Script, moments: list[float], argo: Argo) -> None:
        self._script = wanted
        self._moments = moments
        self.clock = ManualClock()
        self.world = World(Scenario(argo=argo), self.clock, fetch=self._fetch)
        self._answers = iter(wanted.answers)
        self._runs: list[dict[str, Any]] = []
        self._events: list[tuple[str, ...]] = []
        self._names = Names()
        self._states: list[State | str] = []
        self._uids: list[str] = []
        self._statuses: list[Any] = []
        self._last: Any = None
        self._pauses: dict[tuple[str, int], str] = {}
        self.world.store.subscribe(ROLLOUTS, self._see)
        self.world.store.subscribe(ANALYSIS_RUNS, self._see_run)
        self.world.store.subscribe(EVENTS, self._see_event)

    async def run(self) -> Outcome:
        counts, answers = [], []
        transport = httpx.ASGITransport(create_app(self.world))
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
            for request, moment in zip(self._script.requests, self._moments, strict=True):
                self._advance_to(request.after_states)
                self._advance(request.wait + moment)
                counts.append(len(self._states))
                answers.append(await self._send(client, request.event))
        sent = self.clock.now()
        self._advance_to(len(self._script.states), at_most=self._script.tail + 2.0)
        self._advance(max(0.0, sent + self._script.tail - self.clock.now()) + TRUNCATED)
        return Outcome(self._states, counts, answers, self._names, self._statuses, self._last, self._runs, self._events)

    def _see(self, change: Change) -> None:
        self._last = change.last
        uid = change.last["metadata"]["uid"]
        if uid not in self._uids:
            self._uids.append(uid)
        state = DELETED if change.new is None else state_of(change.new, self._names)
        if not self._states or self._states[-1] != state:
            self._states.append(state)
            self._statuses.append(change.last.get("status"))
        status = (change.new or {}).get("status") or {}
        for pause in status.get("pauseConditions") or []:
            key = (status["currentPodHash"], status["currentStepIndex"])
            self._pauses[key] = pause["startTime"]

    def _see_run(self, change: Change) -> None:
        metadata = change.last["metadata"]
        shown = metadata | {key: change.last[key] for key in ("spec", "status") if key in change.last}
        self._runs.append(run_of(metadata["name"], shown, whole=change.old is None))

    def _see_event(self, change: Change) -> None:
        about = change.last["involvedObject"]
        self._events.append(told(f"{about['kind']}/{about['name']}", change.last))

    def _fetch(self, asked: Asked, tell: Callable[[Answered], None]) -> None:
        """The recorded answers, one after the other."""
        answer = next(self._answers, None)
        if answer is None:
            refused = "dial tcp 127.0.0.1:18923: connect: connection refused"
            tell(Answered(error=f'Get "{asked.url}": {refused}'))
        else:
            tell(Answered(answer[0], answer[1].encode()))

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.catch_up()

    def _advance_to(self, states: int, at_most: float = 60.0) -> None:
        """Let one thing after the other happen until so many states have been seen."""
        end = self.clock.now() + at_most
        while len(self._states) < states:
            due = self.world.agenda.next_due()
            if due is None or due > end:
                return
            self._advance(max(0.0, due - self.clock.now()))

    async def _send(self, client: httpx.AsyncClient, event: Event) -> httpx.Response:
        body = event.get("body")
        if isinstance(body, list):
            body = self._translated(body)
        content = body if isinstance(body, str) else json.dumps(body)
        headers = {"content-type": event["content_type"]} if event.get("content_type") else {}
        return await client.request(event["method"], event["path"], content=content, headers=headers)

    def _translated(self, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A guard with the uid, the hash and the pause's start that the same object has here."""
        by_path = {operation["path"]: operation.get("value") for operation in operations}
        recorded_hash = by_path.get("/status/currentPodHash")
        letter = self._script.names.letters.get(recorded_hash or "")
        present_hash = self._names.hash_of(letter) if letter else recorded_hash
        pause = self._pauses.get((str(present_hash), int(by_path.get("/status/currentStepIndex") or 0)))
        values = {"/status/currentPodHash": present_hash, "/status/pauseConditions/0/startTime": pause}
        if (uid := by_path.get("/metadata/uid")) is not None:
            values["/metadata/uid"] = self._uids[self._script.uids.index(uid)]
        return [
            operation | {"value": values[operation["path"]]} if operation["path"] in values else operation
            for operation in operations
        ]


def agree(wanted: Script, argo: Argo | None = None) -> Outcome:
    """The outcome of the moments that bring the recorded states; else the one that comes nearest to them."""
    argo = argo or Argo()
    moments = [MOMENTS[0]] * len(wanted.requests)
    best = asyncio.run(Replay(wanted, moments, argo).run())
    while best.states != wanted.states:
        agreed = matching(wanted, best)
        for tried in _variations(wanted, moments, agreed):
            outcome = asyncio.run(Replay(wanted, tried, argo).run())
            if matching(wanted, outcome) > agreed:
                best, moments = outcome, tried
                break
        else:
            break
    return best


def matching(wanted: Script, outcome: Outcome) -> int:
    """How many states agree from the beginning on."""
    pairs = enumerate(zip(wanted.states, outcome.states, strict=False))
    shorter = min(len(wanted.states), len(outcome.states))
    return next((number for number, (left, right) in pairs if left != right), shorter)


def _variations(wanted: Script, moments: list[float], agreed: int) -> Iterator[list[float]]:
    """Other moments for the last requests before the states part."""
    before = [number for number, request in enumerate(wanted.requests) if request.after_states <= agreed]
    for position in before[-2:]:
        for moment in MOMENTS:
            if moment != moments[position]:
                yield [*moments[:position], moment, *moments[position + 1 :]]
