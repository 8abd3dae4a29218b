"""Kubernetes Events as Argo writes them: what is repeated is counted, and what comes too often is dropped.

A client may write 25 Events of one type about one object and then one more every five minutes. The recordings show
it: after some 25 nothing is told of a Rollout any more but warnings, which have their own 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from serinus_simulator.clock import Agenda, timestamp
from serinus_simulator.kubernetes.kinds import EVENTS, Object
from serinus_simulator.kubernetes.objects import ObjectStore

BURST = 25
REFILL = 300.0
"""Seconds for one more after the burst."""
COMPONENT = "rollouts-controller"


@dataclass
class _Bucket:
    left: float
    filled: float


class EventRecorder:
    """Writes Events. `delay` is the time in seconds until one is written."""

    def __init__(self, store: ObjectStore, agenda: Agenda, *, delay: float) -> None:
        self._store = store
        self._agenda = agenda
        self._delay = delay
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._counts: dict[tuple[str, str, str, str], tuple[str, int]] = {}
        self._number = 0

    def record(self, about: Object, severity: str, reason: str, message: str) -> None:
        """An Event about an object; `severity` is Normal or Warning."""
        uid = about["metadata"]["uid"]
        same = (uid, severity, reason, message)
        self._number += 1
        name, count = self._counts.get(same, (f"{about['metadata']['name']}.{self._number:016x}", 0))
        self._counts[same] = (name, count + 1)
        if self._allowed(uid, severity):
            self._agenda.after(self._delay, partial(self._write, about, severity, reason, message, name, count + 1))

    def forget(self, about: Object) -> None:
        """An object that is gone."""
        uid = about["metadata"]["uid"]
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] != uid}
        self._counts = {key: count for key, count in self._counts.items() if key[0] != uid}

    def _allowed(self, uid: str, severity: str) -> bool:
        now = self._agenda.now
        bucket = self._buckets.setdefault((uid, severity), _Bucket(BURST, now))
        bucket.left = min(BURST, bucket.left + (now - bucket.filled) / REFILL)
        bucket.filled = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def _write(self, about: Object, severity: str, reason: str, message: str, name: str, count: int) -> None:
        namespace, now = about["metadata"]["namespace"], timestamp(self._agenda.now)
        if self._store.peek(EVENTS, namespace, name) is not None:
            changes = {"count": count, "lastTimestamp": now}
            self._store.modify(EVENTS, namespace, name, lambda old: old | changes)
            return
        metadata = about["metadata"]
        event = {
            "metadata": {"name": name},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": namespace,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "type": severity,
            "reason": reason,
            "message": message,
            "count": count,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": "",
            "eventTime": None,
        }
        self._store.create(EVENTS, namespace, event)
