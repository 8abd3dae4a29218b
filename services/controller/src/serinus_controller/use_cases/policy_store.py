"""The policies in force, from wherever they come. What becomes unreadable keeps its last good version."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from serinus_contracts.crd import KIND
from serinus_contracts.policy import CanaryPolicy

logger = logging.getLogger(__name__)


class Telemetry:
    """How many sources of policies cannot be read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.invalid = Gauge("serinus_policies_invalid", "sources of policies that cannot be read", registry=registry)


@dataclass
class PolicyStore:
    """Policies by their origin: a file, or a custom resource."""

    telemetry: Telemetry
    _good: dict[str, Sequence[CanaryPolicy]] = field(default_factory=dict)
    _faults: dict[str, str] = field(default_factory=dict)
    _warned: bool = False

    def accept(self, origin: str, policies: Sequence[CanaryPolicy]) -> None:
        """The origin can be read, and says this. A changed policy takes effect at the next run."""
        if self._good.get(origin) != policies or origin in self._faults:
            logger.info("policies of %s: %s", origin, ", ".join(one.metadata.name for one in policies) or "none")
        self._good[origin] = policies
        self._faults.pop(origin, None)
        self.telemetry.invalid.set(len(self._faults))

    def refuse(self, origin: str, problem: str, *, unforeseen: bool = False) -> None:
        """The origin cannot be read: what it said before stays in force. `unforeseen`: log the exception too."""
        if self._faults.get(origin) != problem:
            kept = "its last good version stays in force" if origin in self._good else "it has no good version"
            logger.error("policy refused, %s: %s", kept, problem, exc_info=unforeseen)
        self._faults[origin] = problem
        self.telemetry.invalid.set(len(self._faults))

    def drop(self, origin: str) -> None:
        """The origin is gone."""
        if self._good.pop(origin, None) is not None:
            logger.info("policies of %s are gone", origin)
        self._faults.pop(origin, None)
        self.telemetry.invalid.set(len(self._faults))

    @property
    def in_force(self) -> Collection[str]:
        """The origins of policies in force."""
        return self._good.keys()

    @property
    def origins(self) -> set[str]:
        """All origins, also those that cannot be read."""
        return set(self._good) | set(self._faults)

    def warn_of_none(self, mend: str) -> None:
        """Say once, and again after there was one, that there is no policy. `mend`: where one may be put."""
        none = not any(self._good.values())
        if none and not self._warned:
            logger.warning("no policy: nothing will be judged; %s", mend)
        self._warned = none

    def source_of(self, policy: CanaryPolicy) -> str:
        """Where one of the policies in force was read, as a plan names it; empty if it is in force no more."""
        for origin, policies in self._good.items():
            if any(one is policy for one in policies):
                return KIND if origin.startswith(f"{KIND} ") else Path(origin).name
        return ""

    def current(self) -> list[CanaryPolicy]:
        """All policies in force."""
        return [policy for policies in self._good.values() for policy in policies]
