"""Who leads: one controller by a Lease, the others stand by.

kubernetes_asyncio's election ends on a refused connection and on an answer that is no JSON, measures by the wall
clock and never gives the lease back (docs/adr/0004); this one holds on to nothing but what the server last said, by
a monotonic clock. A Lease does not fence: what is sent carries tests, so two leaders for a moment do no harm.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serinus_rollouts.kubernetes.api import Api, ClusterError
from serinus_runtime.clock import Clock

logger = logging.getLogger(__name__)

NOTE = "serinus.dev/redis"
"""Annotation of the Lease: how far Redis had come, for a leader to come who finds less there."""
LEASES = "/apis/coordination.k8s.io/v1"


@dataclass
class Election:
    """One candidate. `duration` is how many seconds a lease lasts after its last renewal.

    `noted` is what the lease bears as a note, as it was read last; `note` gives what to write there while we lead, ''
    to leave what there is.
    """

    api: Api
    namespace: str
    name: str
    identity: str
    duration: float
    monotonic: Callable[[], float]
    clock: Clock
    note: Callable[[], str] = lambda: ""
    noted: str = ""
    _renewed: float | None = None
    _seen: tuple[str, str, float] = ("", "", 0.0)

    @property
    def leading(self) -> bool:
        """Whether nobody else can hold the lease: judged with a third of its time to spare."""
        return self._renewed is not None and self.monotonic() - self._renewed < self.duration * 2 / 3

    @property
    def pause(self) -> float:
        """Seconds between two attempts."""
        return self.duration / 5

    async def attempt(self) -> None:
        """Acquire or renew, if the lease is free or ours. Raises ClusterError; what is held then runs out."""
        asked = self.monotonic()
        lease = await self._read()
        if lease is None:
            await self._write("POST", self._path(), {"metadata": {"name": self.name}}, asked)
            return
        spec = lease.get("spec") or {}
        holder, renewed = str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or "")
        if (holder, renewed) != self._seen[:2]:
            self._seen = (holder, renewed, asked)
        term = float(spec.get("leaseDurationSeconds") or self.duration)
        if holder not in ("", self.identity) and asked - self._seen[2] < term:
            self._renewed = None
            return
        await self._write("PUT", f"{self._path()}/{self.name}", lease, asked)

    async def lapse(self) -> None:
        """Return when nobody may act under the lease any more, however long an attempt to renew it takes."""
        while self._renewed is not None and (left := self._renewed + self.duration * 2 / 3 - self.monotonic()) > 0:
            await asyncio.sleep(left)

    async def release(self) -> None:
        """Give the lease back, so that the next leader need not wait for its end."""
        if not self.leading:
            return
        lease = await self._read()
        if lease and (lease.get("spec") or {}).get("holderIdentity") == self.identity:
            spec = {**lease["spec"], "holderIdentity": "", "renewTime": self._now()}
            body = {**self._with_note(lease), "spec": spec}
            await self.api.request("PUT", f"{self._path()}/{self.name}", body=body)
        self._renewed = None

    async def _read(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self.api.find(f"{self._path()}/{self.name}")
        if found is not None:
            self.noted = str(((found.get("metadata") or {}).get("annotations") or {}).get(NOTE) or "")
        return found

    def _with_note(self, lease: dict[str, Any]) -> dict[str, Any]:
        note = self.note()
        if not note:
            return lease
        metadata = lease.get("metadata") or {}
        annotations = {**(metadata.get("annotations") or {}), NOTE: note}
        return {**lease, "metadata": {**metadata, "annotations": annotations}}

    async def _write(self, method: str, path: str, lease: dict[str, Any], asked: float) -> None:
        before = lease.get("spec") or {}
        taken = before.get("holderIdentity") != self.identity
        now = self._now()
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.duration)),
            "acquireTime": now if taken else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (1 if taken and before else 0),
        }
        document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **self._with_note(lease), "spec": spec}
        try:
            await self.api.request(method, path, body=document)
        except ClusterError as error:
            if error.status != 409:
                raise
            # Somebody else was faster; the next attempt reads who.
            self._renewed = None
            return
        self._renewed = asked
        self._seen = (self.identity, now, asked)

    def _path(self) -> str:
        return f"{LEASES}/namespaces/{self.namespace}/leases"

    def _now(self) -> str:
        moment = datetime.fromtimestamp(self.clock() / 1000, UTC)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
