"""A Rollout as Argo's controller shows it: what the rest of Serinus asks of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from serinus_contracts.base import Millis
from serinus_contracts.events import Phase, Route

MAX_TROUBLE_LENGTH = 1_000
_TROUBLE = ("RolloutAborted", "ProgressDeadlineExceeded")


ROUTES: Mapping[str, Route] = {"setMirrorRoute": "mirror", "setHeaderRoute": "header"}
"""What a step sets beside the weight, by its kind."""


@dataclass(frozen=True)
class Step:
    """One canary step: a change of weight, a pause (without end, or timed), or something else that Argo runs.

    `route` is what a setMirrorRoute or setHeaderRoute sets by its name, `removes` tells that it takes it away.
    """

    kind: str
    weight: float | None = None
    timed: bool = False
    route: str = ""
    removes: bool = False

    @property
    def gate(self) -> bool:
        """Whether only a promotion ends it."""
        return self.kind == "pause" and not self.timed


@dataclass(frozen=True)
class Pause:
    """A pause condition as Argo writes it; `started` in RFC 3339."""

    reason: str
    started: str

    @property
    def started_ms(self) -> Millis:
        """No later than this the pause had begun: Argo writes whole seconds, rounded down."""
        return parse_time(self.started) + 1000


@dataclass(frozen=True)
class Condition:
    """One of Argo's conditions. `status` is True, False or Unknown, as text."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class PingPong:
    """The Services of a Rollout with `pingPong`, whose roles Argo exchanges when a release is promoted.

    `fixed` are its canaryService and stableService, if it has them: their roles stay.
    """

    canary: str
    stable: str
    fixed: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class RolloutView:
    """What Serinus reads of a Rollout.

    `canary_weight` and the weights of steps are percent of all traffic, Argo's `max_weight` parts are 100 of them;
    `split` is the canary's percent of what it and stable get, less than all where an experiment gets some too. `grpc`
    is what in its template says that it speaks gRPC, in words, empty where nothing does.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    generation: int
    revision: int | None
    resource_version: str
    observed: bool
    phase: Phase
    message: str
    current_hash: str
    stable_hash: str
    step: int
    step_hash: str
    steps: Sequence[Step]
    pauses: Sequence[Pause]
    controller_pause: bool
    spec_paused: bool
    aborted: bool
    retried: bool
    routed: bool
    canary_weight: float | None
    weight_hash: str
    conditions: Sequence[Condition] = ()
    max_weight: int = 100
    split: float | None = None
    routers: tuple[str, ...] = ()
    ping_pong: PingPong | None = None
    updated_replicas: int = 0
    grpc: str = ""

    @property
    def key(self) -> str:
        """Namespace and name, as `shop/checkout`."""
        return f"{self.namespace}/{self.name}"

    @property
    def invalid(self) -> bool:
        """Argo does nothing at all, and heeds neither an abort nor a promotion, until its spec is mended."""
        return any(condition.type == "InvalidSpec" for condition in self.conditions)

    @property
    def trouble(self) -> str:
        """What Argo says is wrong, in its words; empty if nothing is.

        Its own message will not do: a reminder takes its place.
        """
        # What keeps Argo from doing anything comes first.
        for condition in sorted(self.conditions, key=lambda one: one.type != "InvalidSpec"):
            if condition.type == "InvalidSpec" or condition.reason in _TROUBLE:
                return f"{condition.reason}: {condition.message}"[:MAX_TROUBLE_LENGTH]
        return ""

    @property
    def back_on_stable(self) -> bool:
        """An abort has been carried out: no traffic goes to the canary any more.

        Argo shows Degraded before that, and does not even begin while the spec is invalid. Without traffic routing the
        canary's pods are its traffic, the unready ones too, which may become ready.
        """
        there = self.canary_weight if self.routed else self.updated_replicas
        return self.aborted and self.phase == "Degraded" and not there

    @property
    def releasing(self) -> bool:
        """A new template is on its way next to a stable one."""
        return bool(self.current_hash and self.stable_hash) and self.current_hash != self.stable_hash

    @property
    def current_step(self) -> Step | None:
        """The step that Argo is at; None before the first and after the last."""
        return self.steps[self.step] if 0 <= self.step < len(self.steps) else None

    @property
    def at_gate(self) -> bool:
        """Waits at a pause without end, and nothing is under way that a promotion would run into."""
        step = self.current_step
        return (
            self.observed
            and self.phase == "Paused"
            and not self.aborted
            and not self.spec_paused
            and step is not None
            and step.gate
            and len(self.pauses) == 1
            and self.pauses[0].reason == "CanaryPauseStep"
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        """What steps up to this one have set beside the weight and none before it has taken away."""
        if self.aborted or not self.releasing:
            return ()
        kinds: dict[tuple[str, str], Route] = {}
        for index, step in enumerate(self.steps[: self.step + 1]):
            if step.kind not in ROUTES:
                continue
            if not step.removes:
                kinds[step.kind, step.route] = ROUTES[step.kind]
            elif index < self.step:
                kinds.pop((step.kind, step.route), None)
        return tuple(sorted(set(kinds.values())))

    @property
    def unpausing(self) -> bool:
        """A promotion was taken and not yet carried out."""
        return self.controller_pause and not self.pauses


def parse_time(text: str) -> Millis:
    """Milliseconds of an RFC 3339 time as Kubernetes writes it; 0 for none."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))
