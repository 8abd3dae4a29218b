"""Two controllers, one Rollout of the simulator, and a hand that decides at every call who goes on and what goes wrong.

Nothing here keeps the two apart: both act on whatever verdict reaches them, which is worse than a Lease lost in the
middle of an act. Every call of theirs to the API server waits until the hand answers it: rightly, with an error before
or after it was carried out, or never, because its controller dies. What they see of the Rollout is as old as the hand
likes. The clock is the hand's, too.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, RolloutObserved
from serinus_contracts.base import Millis
from serinus_contracts.policy import CanaryPolicy
from serinus_controller.use_cases.act import Actor, ActTiming
from serinus_controller.use_cases.command_handler import CommandHandler
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.patches import Patch
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import ROLLOUTS, Object
from serinus_simulator.kubernetes.patch import apply_json_patch, apply_merge_patch

from tests.support import command, policy_document, verdict
from tests.unit.controller.use_cases.fakes import FakeJournal
from tests.unit.simulator.worlds import Handled

PATIENCE = ActTiming(first=0.0, longest=0.0, nudge=1.0, rarest_nudge=2.0, give_up=20.0)
POLICY = CanaryPolicy.model_validate(policy_document(interval="1s"))


@dataclass
class MemoryRegistry:
    """The registry, with the comparisons that the scripts make in Redis."""

    clock: Callable[[], Millis]
    told: list[RolloutObserved] = field(default_factory=list)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    runs: dict[str, RolloutObserved] = field(default_factory=dict)
    plans: dict[str, AnalysisPlan] = field(default_factory=dict)

    async def attempt(self, cluster: str, view: RolloutView, *, another: bool = False) -> Attempt:
        held = self.attempts.get(view.uid)
        self.attempts[view.uid] = found = held.following(view, another=another) if held else Attempt.first(view)
        return found

    async def now(self) -> Millis:
        return self.clock()

    async def live(self, cluster: str) -> Sequence[RolloutObserved]:
        return [event for event in self.runs.values() if not event.outcome]

    async def observe(
        self, event: RolloutObserved, plan: AnalysisPlan, constant_until: Millis | None, *, publish: bool
    ) -> None:
        held = self.runs.get(event.run.id)
        if held and (held.outcome or int(held.resource_version) > int(event.resource_version)):
            return
        self.runs[event.run.id], self.plans[event.plan] = event, plan
        if publish:
            self.told.append(event)

    async def constant(self, told: Sequence[RolloutObserved], until: Millis) -> Collection[str]:
        return {event.run.uid for event in told if self.runs.get(event.run.id) != event}

    async def retire(self, event: RolloutObserved) -> None:
        self.runs[event.run.id] = event

    async def plan(self, digest: str) -> AnalysisPlan | None:
        return self.plans.get(digest)


class Hand:
    """One history, drawn from a seed. `broken` collects the laws that were broken, in words."""

    def __init__(self, seed: int, **settings: Any) -> None:
        self.draw = random.Random(seed)
        self.world = Handled(settings)
        self.registry = MemoryRegistry(self.now)
        self.journal = FakeJournal()
        self.waiting: list[tuple[int, asyncio.Future[str]]] = []
        self.controllers = [Controller(self, number) for number in (0, 1)]
        self.history: list[Object] = []
        self.gates: dict[int, int] = {}
        self.gate, self._gate, self._start = 0, ("", -1), ""
        self.pause = 0
        self.proceeds: set[int] = set()
        self.aborts: set[str] = set()
        self.opened: list[int] = []
        self.aborted: list[str] = []
        self.broken: list[str] = []
        self.world.world.store.subscribe(ROLLOUTS, lambda change: self.watch(change.last))

    def now(self) -> Millis:
        return round(self.world.clock.now() * 1000)

    def watch(self, rollout: Object) -> None:
        """The truth: which gate each version of the Rollout belongs to, and which pause there it is.

        A pause that Argo sets again from an old cache, at the step that it has not left, is of the same gate. So is one
        of the same second after an abort and a retry, of which the API tells nothing where there was another before."""
        before = self.history[-1].get("status", {}) if self.history else {}
        status = rollout.get("status", {})

        def gate(one: Object) -> tuple[str, int]:
            return one.get("currentPodHash", ""), one.get("currentStepIndex", -1)

        def place(one: Object) -> tuple[Any, ...]:
            return *gate(one), (one.get("pauseConditions") or [{}])[0].get("startTime")

        # An abort that is taken back before Argo has seen it leaves the pause as it is.
        if gate(status) != self._gate or (status.get("abort") and not status.get("pauseConditions")):
            self._gate = ("", -1)
        if status.get("pauseConditions") and place(before) != place(status):
            start = status["pauseConditions"][0]["startTime"]
            self.pause += 1
            self.gate += gate(status) != self._gate and start != self._start
            self._gate, self._start = gate(status), start
        self.history.append(rollout)
        self.gates[int(rollout["metadata"]["resourceVersion"])] = self.gate

    def judge(self, status: Object, generation: int, patch: Any) -> None:
        """Hold a patch of ours that the server is about to take against the laws."""
        operations = patch if isinstance(patch, list) else []
        if any(one["op"] == "remove" for one in operations):
            if self.pause in self.opened:
                self.broken.append(f"the gate of pause {self.pause} was opened twice")
            if self.gate not in self.proceeds:
                self.broken.append(f"no verdict was about the gate {self.gate} of pause {self.pause}")
            self.opened.append(self.pause)
        if any(one["path"] == "/status/abort" and one["value"] is True and one["op"] == "add" for one in operations):
            current = str(status.get("currentPodHash"))
            if current not in self.aborts or str(generation) != status.get("observedGeneration"):
                self.broken.append(f"{current} was aborted, the verdict was about {self.aborts or 'none'}")
            self.aborted.append(current)

    async def settle(self) -> None:
        """Let everybody run until all wait for the hand."""
        for _ in range(12):
            await asyncio.sleep(0)

    def latest(self) -> RolloutView:
        return view(self.world.rollout)


class Controller:
    """One controller and its end of the wire. It dies and begins anew with nothing but registry and journal."""

    def __init__(self, hand: Hand, number: int) -> None:
        self.hand, self.number = hand, number
        self.tasks: set[asyncio.Task[None]] = set()
        self.reconciler = self._made()
        self.position = 0

    def _made(self) -> RolloutReconciler:
        hand = self.hand
        tracker = RunTracker(hand.registry, "c", PlanResolver(lambda: [POLICY]))
        tracker.pods.replace([], namespace="")
        actor = Actor(self, hand.journal, hand.now, hand.world.clock.now, PATIENCE, tracker.updates)
        return RolloutReconciler(
            tracker,
            DecisionExecutor(RunControls(hand.journal), hand.journal, actor, Telemetry(CollectorRegistry()), hand.now),
        )

    async def get(self, namespace: str, name: str) -> RolloutView | None:
        found: RolloutView = await self._call(self.hand.latest)
        return found

    async def patch_status(self, namespace: str, name: str, patch: Patch | dict[str, Any]) -> RolloutView | None:
        taken: RolloutView | None = await self._call(lambda: self._patched(patch))
        return taken

    def _patched(self, patch: Patch | dict[str, Any]) -> RolloutView | None:
        store = self.hand.world.world.store
        apply = apply_json_patch if isinstance(patch, list) else apply_merge_patch

        def change(old: Object) -> Object:
            changed: Object = apply(old, patch)
            self.hand.judge(old["status"], old["metadata"]["generation"], patch)
            return changed

        try:
            return view(store.modify(ROLLOUTS, "shop", "checkout", change, "status"))
        except ApiError:
            return None

    async def _call(self, carry_out: Callable[[], Any]) -> Any:
        """A request that is on its way until the hand says what becomes of it."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.hand.waiting.append((self.number, future))
        fate = await future
        if fate == "refused":
            raise ClusterError("the server fails", 500)
        found = carry_out()
        if fate == "lost":
            raise ClusterError("the answer is lost")
        return found

    def start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def see(self, newest: bool) -> None:
        """The next change of the watch, however old, or a list of what is there now."""
        if newest:
            self.position = len(self.hand.history)
            await self.reconciler.tracker.see_all([self.hand.latest()], asked=self.hand.now(), namespace="")
        elif self.position < len(self.hand.history):
            self.position += 1
            await self.reconciler.tracker.see(view(self.hand.history[self.position - 1]))

    async def die(self) -> None:
        """In the middle of whatever it does; what it has sent may still arrive."""
        mine = [entry for entry in self.hand.waiting if entry[0] == self.number]
        self.hand.waiting = [entry for entry in self.hand.waiting if entry[0] != self.number]
        for _, future in mine:
            if not future.done() and self.hand.draw.random() < 0.3:
                future.set_result("done")
                await asyncio.sleep(0)
        for task in list(self.tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.reconciler.executor.stop()
        self.reconciler = self._made()
        await self.reconciler.tracker.restore()
        await self.reconciler.resume()


async def play(seed: int, turns: int = 400, **settings: Any) -> Hand:
    """One history of so many turns."""
    hand = Hand(seed, **settings)
    hand.world.advance(5)
    hand.world.release("v1")
    for _ in range(turns):
        await _turn(hand)
        await hand.settle()
    for one in hand.controllers:
        await one.die()
        await one.reconciler.executor.stop()
    for _, future in hand.waiting:
        future.cancel()
    return hand


TURNS = {"answer": 30, "time": 14, "see": 20, "verdict": 14, "person": 1, "operator": 5, "die": 1}


async def _turn(hand: Hand) -> None:
    draw = hand.draw
    kind = draw.choices(list(TURNS), list(TURNS.values()))[0]
    one = draw.choice(hand.controllers)
    if kind == "answer" and hand.waiting:
        _, future = hand.waiting.pop(draw.randrange(len(hand.waiting)))
        if not future.done():
            future.set_result(draw.choices(["done", "refused", "lost"], [8, 1, 1])[0])
    elif kind == "time":
        hand.world.advance(draw.choice([0.005, 0.02, 0.5, 1.5, 4]))
    elif kind == "see":
        for _ in range(draw.choice([1, 3, 8])):
            await one.see(newest=draw.random() < 0.3)
    elif kind == "verdict":
        await _verdict(hand, one)
    elif kind == "person":
        await _person(hand, one)
    elif kind == "operator":
        _operator(hand)
    elif kind == "die":
        await one.die()


async def _verdict(hand: Hand, one: Controller) -> None:
    """About what was told last or some time ago, to one controller, and perhaps again to the other."""
    told = [event for event in hand.registry.told if event.gate_started and hand.now() > event.stage_started + 1000]
    if not told:
        return
    about = told[-1] if hand.draw.random() < 0.7 else hand.draw.choice(told)
    judged = hand.draw.choices(["proceed", "abort", "hold"], [14, 1, 1])[0]
    place = {"step": about.step, "stage": about.stage, "stage_started": about.stage_started}
    event = verdict(run=about.run, follows=0, end=hand.now(), verdict=judged, plan=about.plan, **place)
    if judged == "proceed":
        hand.proceeds.add(hand.gates[int(about.resource_version)])
    if judged == "abort":
        hand.aborts.add(about.run.canary_hash)
    for receiver in [one, *hand.draw.sample(hand.controllers, hand.draw.choice([0, 0, 1, 2]))]:
        receiver.start(receiver.reconciler.on_verdict(event, hand.now()))


async def _person(hand: Hand, one: Controller) -> None:
    """Somebody who holds, resumes or aborts by a command."""
    if not hand.registry.told:
        return
    about = hand.registry.told[-1]
    verb = hand.draw.choice(["hold", "resume", "resume", "resume", "abort"])
    asked = command(verb, run=about.run, step=about.step, expires=hand.now() + 9_000, id=f"{hand.now():026d}")
    if verb == "abort":
        hand.aborts.add(about.run.canary_hash)
    one.start(CommandHandler(one.reconciler).on_command(asked, hand.now()))


def _operator(hand: Hand) -> None:
    """Somebody at the command line, or a scaler."""
    world, draw = hand.world, hand.draw
    act = draw.choice(["promote", "abort", "retry", "retry", "release", "scale", "pause", "resume"])
    with contextlib.suppress(ApiError):
        if act == "promote":
            world.set_status(pauseConditions=None)
        elif act in ("abort", "retry"):
            world.set_status(abort=act == "abort")
        elif act == "release":
            world.release(draw.choice(["v1", "v2", "v3", "v4"]), seconds=draw.choice([0, 0.02, 1]))
        elif act == "scale":
            world.set_spec(replicas=draw.choice([1, 2, 3, 4]))
        else:
            world.set_spec(paused=act == "pause")
