"""The clock that all parts share (docs/adr/0003)."""

from serinus_contracts import Keys
from serinus_contracts.base import Millis

from serinus_runtime import scripts
from serinus_runtime.redis import Client


class RedisClock:
    """A Cluster's nodes have a clock each: the one that counts is that of the node which holds our keys."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._script, self._keys = scripts.Script(client, "return redis.call('TIME')"), keys

    async def __call__(self) -> Millis:
        seconds, micros = await self._script(keys=[self._keys.due])
        return int(seconds) * 1000 + int(micros) // 1000
