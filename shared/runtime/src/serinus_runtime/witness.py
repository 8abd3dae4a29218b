"""Notices a Redis that came back with less than it had: emptied, restored, or by the failover to a replica that lagged.

A leading controller gives what Redis remembers a random name, its generation, and counts in it how often it has
written. Both only change forwards; who finds less than it has seen knows that data was lost (docs/adr/0064).
"""

import logging
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter
from serinus_contracts import Keys

from serinus_runtime.loops import forever
from serinus_runtime.redis import Client
from serinus_runtime.service import Service

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


class Position(NamedTuple):
    """How far what Redis remembers has come. Without a generation nothing is known."""

    generation: str = ""
    written: int = 0

    def lacks(self, known: "Position") -> bool:
        """Whether something is missing of what is known."""
        return bool(known.generation) and (self.generation != known.generation or self.written < known.written)

    def __str__(self) -> str:
        return f"{self.generation}:{self.written}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Nothing is known from what cannot be read."""
        generation, _, written = text.rpartition(":")
        return cls(generation, int(written)) if generation and written.isdigit() else cls()


async def position(client: Client, keys: Keys) -> Position:
    """Where Redis stands now; of an empty Redis as of one that was never written to."""
    values: Any = await client.hmget(keys.memory, ("generation", "written"))
    generation, written = values
    return Position(generation.decode() if generation else "", int(written or 0))


class Witness:
    """What one process has seen of Redis, and whether it is still there. `missing` says what is not, until a controller
    has begun again."""

    def __init__(self, client: Client, keys: Keys, registry: CollectorRegistry) -> None:
        self._client, self._keys = client, keys
        self._known, self.missing = Position(), ""
        self._losses = Counter(
            "serinus_redis_losses", "times that Redis came back with less than it had", registry=registry
        )

    async def why(self) -> str | None:
        """The readiness check."""
        return self.missing or None

    async def look(self) -> float:
        """A step for `forever`."""
        found = await position(self._client, self._keys)
        if not found.lacks(self._known):
            self._is_whole(found)
        elif found.generation in ("", self._known.generation):
            self._miss(found, self._known)
        else:
            self.begins_anew(found, self._known)
        return EVERY_SECONDS

    def begins_anew(self, found: Position, known: Position) -> None:
        """A controller has seen that data is missing, and goes on from what there is."""
        self._miss(found, known)
        self._is_whole(found)

    def _miss(self, found: Position, known: Position) -> None:
        if not self.missing:
            self.missing = f"Redis has lost data: it is at {found}, and was at {known}"
            logger.error("%s", self.missing)
            self._losses.inc()

    def _is_whole(self, found: Position) -> None:
        if self.missing:
            logger.info("continuing with the data that Redis has, at %s", found)
        self._known, self.missing = found, ""


async def watch_memory(service: Service, client: Client, keys: Keys) -> None:
    """Witness until the service stops."""
    witness = Witness(client, keys, service.registry)
    service.health.require("what Redis had", witness.why)
    await forever("memory", witness.look, health=service.health, stopping=service.stopping)
