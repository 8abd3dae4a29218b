"""Tells whether a controller leads, and what the API server keeps it from: to people by Redis, to Kubernetes by
readiness.

Redis, because the API server cannot be asked about itself. An instance that stands by is ready as long as the API
server answers it: readiness ends no process and moves no work, it keeps a Deployment from replacing instances that
work by one that the API server refuses.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from serinus_contracts import ControllerStatus, Keys
from serinus_contracts.base import Millis
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_runtime import scripts
from serinus_runtime.health import Failure, Health
from serinus_runtime.redis import Client

# One request that fails, or a leader's change, is nothing to tell.
TOLD_AFTER_SECONDS = 5.0
_WRITE = "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])"


@dataclass
class Standing:
    """Of one controller. `now` is the clock of all, `monotonic` that of `health`."""

    client: Client
    keys: Keys
    cluster: str
    identity: str
    valid_ms: int
    health: Health
    now: Callable[[], Awaitable[Millis]]
    monotonic: Callable[[], float]
    redis: Callable[[], str] = lambda: ""
    """How full Redis is, if it is."""
    stood: bool = False
    """It has asked for the lease and got an answer."""
    lost: Millis = 0
    doubtful: bool = False
    """Of the last loss of Redis' data that this controller has found; see ControllerStatus."""

    def __post_init__(self) -> None:
        self._write = scripts.Script(self.client, _WRITE, scripts.ACTING)

    def trouble(self) -> Failure | None:
        """The loop that the API server has failed for longest."""
        failing = self.health.failing(TOLD_AFTER_SECONDS).values()
        return next((one for one in failing if isinstance(one.error, ClusterError)), None)

    async def unready(self) -> str | None:
        """The readiness check: None, or what the API server does."""
        if failure := self.trouble():
            seconds = self.monotonic() - failure.since
            return f"for {seconds:.0f} s: {failure.error}"
        return None if self.stood else "the API server has not answered yet"

    async def found_loss(self, *, doubtful: bool) -> None:
        """Redis has lost data now; `doubtful` if what people had decided may be part of it."""
        self.lost, self.doubtful = await self.now(), doubtful

    async def tell(self, leads: bool) -> None:
        """What a leader says counts; who stands by speaks where there is none and the API server is in trouble."""
        failure = self.trouble()
        if not leads and not failure:
            return
        now = await self.now()
        known = await self._known()
        if not leads and known and now - known.led < known.valid_ms and not known.trouble:
            return
        error = failure.error if failure else None
        later = known if known and known.lost > self.lost else self
        status = ControllerStatus(
            identity=self.identity,
            reported=now,
            led=now if leads else known.led if known else 0,
            trouble=str(error or ""),
            refused=isinstance(error, ClusterError) and error.status in (401, 403),
            redis=self.redis() if leads else "",
            since=now - round(1000 * (self.monotonic() - failure.since)) if failure else 0,
            lost=later.lost,
            doubtful=later.doubtful,
            valid_ms=self.valid_ms,
        )
        await self._write(keys=[self.keys.controllers], args=[self.cluster, status.model_dump_json()])

    async def _known(self) -> ControllerStatus | None:
        written = await self.client.hget(self.keys.controllers, self.cluster)
        try:
            return ControllerStatus.model_validate_json(written) if written else None
        except ValueError:
            return None
