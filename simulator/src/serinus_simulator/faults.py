"""Faults on command: what can be made to go wrong, for how many calls or for how long."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from serinus_simulator.clock import Agenda


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: int | None = Field(default=None, ge=1)
    """After so many hits it is over."""
    lasts: float | None = Field(default=None, gt=0)
    """After so many seconds it is over."""
    probability: float = Field(default=1.0, gt=0, le=1)


class KubernetesFault(_Fault):
    """`status` answers with `code`, `slow` answers `seconds` late, `drop` breaks the connection in the answer.

    With `when: after` the request is carried out first, so that only its answer is lost. `close_watches` ends the open
    watches, `expire_watches` ends them with 410 and forgets all history; both happen once, at once.
    """

    target: Literal["kubernetes"]
    effect: Literal["status", "slow", "drop", "close_watches", "expire_watches"]
    code: int = Field(default=500, ge=400, le=599)
    message: str = ""
    """Of a refusal, as an admission policy words it; empty: the server's own of this code."""
    seconds: float = Field(default=1.0, ge=0)
    when: Literal["before", "after"] = "before"
    verbs: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """As RBAC writes them, `rollouts` or `rollouts/status`; empty: every one."""
    namespace: str | None = None
    name: str | None = None
    token: str | None = None
    """Only requests that bear this one."""


class PrometheusFault(_Fault):
    """`partial` leaves out `share` of the series and warns, `drop` leaves out metrics by name."""

    target: Literal["prometheus"]
    effect: Literal["status", "slow", "html", "empty", "partial", "drop"]
    code: int = Field(default=503, ge=400, le=599)
    seconds: float = Field(default=1.0, ge=0)
    share: float = Field(default=0.5, gt=0, le=1)
    metric: str = ".*"
    query: str | None = None
    """A regular expression: only queries in which it is found."""


class ScrapeFault(_Fault):
    """Scrapes of the simulator's own Prometheus are missed."""

    target: Literal["scrape"]
    effect: Literal["missed"] = "missed"
    namespace: str | None = None
    rollout: str | None = None
    pod: str | None = None
    arm: Literal["stable", "canary"] | None = None


class ArgoFault(_Fault):
    """Argo does not see a promote or an abort until the object changes again, or pauses again from a stale read."""

    target: Literal["argo"]
    effect: Literal["lose_promotes", "lose_aborts", "repause"]
    namespace: str | None = None
    name: str | None = None


Fault = Annotated[KubernetesFault | PrometheusFault | ScrapeFault | ArgoFault, Field(discriminator="target")]
FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])


F = TypeVar("F", bound=_Fault)


class ActiveFault:
    """A fault that is in force."""

    def __init__(self, number: int, fault: Fault, until: float | None) -> None:
        self.id = number
        self.fault = fault
        self.until = until
        self.hits = 0

    def over(self, now: float) -> bool:
        """Whether it has hit as often, or lasted as long, as it was meant to."""
        spent = self.fault.calls is not None and self.hits >= self.fault.calls
        return spent or (self.until is not None and now >= self.until)

    def describe(self, now: float) -> dict[str, Any]:
        """Its fields, hits and seconds left, as JSON."""
        shown = self.fault.model_dump(exclude_none=True)
        left = {} if self.until is None else {"seconds_left": round(self.until - now, 3)}
        return {"id": self.id, "hits": self.hits, **left, **shown}


class Faults:
    """The faults in force, oldest first. `draw` gives a uniform number in [0, 1)."""

    def __init__(self, agenda: Agenda, draw: Any) -> None:
        self._agenda = agenda
        self._draw = draw
        self._active: list[ActiveFault] = []
        self._numbers = itertools.count(1)

    def add(self, fault: Fault) -> ActiveFault:
        """Begin a fault; it has a number, by which it is taken back."""
        until = None if fault.lasts is None else self._agenda.now + fault.lasts
        active = ActiveFault(next(self._numbers), fault, until)
        self._active.append(active)
        return active

    def active(self) -> list[ActiveFault]:
        """Those that are not over, oldest first."""
        now = self._agenda.now
        self._active = [active for active in self._active if not active.over(now)]
        return self._active

    def clear(self, number: int | None = None) -> int:
        """Take back one or all; how many there were."""
        before = len(self.active())
        self._active = [active for active in self._active if number not in (None, active.id)]
        return before - len(self._active)

    def kubernetes(
        self, when: str, verb: str, resource: str, namespace: str, name: str, token: str = ""
    ) -> list[KubernetesFault]:
        """What hits this call, all in order."""

        def concerned(fault: KubernetesFault) -> bool:
            about = _about(fault, verb, resource, namespace, name) and _fits(fault.token, token)
            return about and fault.when == when and not fault.effect.endswith("watches")

        return list(self._hitting(KubernetesFault, concerned))

    def forbid(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        """Whether such a call would be answered with 403; asking uses no fault up."""
        faults = [active.fault for active in self.active()]
        forbidding = [one for one in faults if isinstance(one, KubernetesFault) and one.code == 403]
        return any(one.effect == "status" and _about(one, verb, resource, namespace, name) for one in forbidding)

    def prometheus(self, query: str) -> list[PrometheusFault]:
        """What hits this query, all in order."""
        return list(
            self._hitting(PrometheusFault, lambda one: one.query is None or re.search(one.query, query) is not None)
        )

    def scrape_missed(self, namespace: str, rollout: str, pod: str, arm: str) -> bool:
        """Whether this scrape does not come; the fault is used up by it."""
        given = (namespace, rollout, pod, arm)
        hits = self._hitting(
            ScrapeFault, lambda one: all(map(_fits, (one.namespace, one.rollout, one.pod, one.arm), given))
        )
        return next(hits, None) is not None

    def argo(self, effect: str, namespace: str, name: str) -> bool:
        """Whether Argo fails so at this Rollout; the fault is used up by it."""
        hits = self._hitting(
            ArgoFault,
            lambda one: one.effect == effect and _fits(one.namespace, namespace) and _fits(one.name, name),
        )
        return next(hits, None) is not None

    def _hitting(self, kind: type[F], concerned: Callable[[F], bool]) -> Iterator[F]:
        """The faults of a kind that hit; each is used up as it is taken."""
        for active in self.active():
            if isinstance(active.fault, kind) and concerned(active.fault) and self._hit(active):
                yield active.fault

    def _hit(self, active: ActiveFault) -> bool:
        if active.fault.probability < 1.0 and self._draw() >= active.fault.probability:
            return False
        active.hits += 1
        return True


def _about(fault: KubernetesFault, verb: str, resource: str, namespace: str, name: str) -> bool:
    if (fault.verbs and verb not in fault.verbs) or (fault.resources and resource not in fault.resources):
        return False
    return _fits(fault.namespace, namespace) and _fits(fault.name, name)


def _fits(wanted: str | None, given: str) -> bool:
    return wanted in (None, given)
