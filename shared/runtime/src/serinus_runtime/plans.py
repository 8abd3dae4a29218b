"""Plans are immutable and named by their digest, so a copy kept in memory is never stale."""

import hashlib
from collections import OrderedDict
from typing import Any

from serinus_contracts import AnalysisPlan, Keys

from serinus_runtime.redis import Client

# Of their JSON; in memory a plan takes some six times that.
MAX_CACHED_BYTES = 32 * 1024 * 1024


class Plans:
    """Plans by digest; those used last are kept in memory, since a plan never changes."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._cache: OrderedDict[str, AnalysisPlan] = OrderedDict()
        self._cached_bytes = 0

    async def get(self, digest: str) -> AnalysisPlan | None:
        """The plan, None if Redis does not hold it. Raises ValueError if what it holds is no plan, or another one."""
        plan = self._cache.get(digest)
        if plan is None:
            document: Any = await self._client.get(self._keys.plan(digest))
            if document is None:
                return None
            if hashlib.sha256(document).hexdigest() != digest:
                raise ValueError(f"what is kept as plan {digest} is not what was planned: its digest is another")
            plan = AnalysisPlan.stored(document)
            self._cached_bytes += 0 if digest in self._cache else len(document)
            self._cache[digest] = plan
            while self._cached_bytes > MAX_CACHED_BYTES and len(self._cache) > 1:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= len(oldest.canonical)
        self._cache.move_to_end(digest)
        return plan
