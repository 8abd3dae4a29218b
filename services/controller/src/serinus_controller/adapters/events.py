"""Decisions as Kubernetes Events on the Rollout, where its users look first. Best effort: the stream is the record."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from serinus_contracts import DecisionTaken
from serinus_contracts.base import Millis
from serinus_contracts.crd import GROUP, KIND, PLURAL, VERSION
from serinus_rollouts.kubernetes.api import Api, ClusterError
from serinus_runtime.clock import Clock, now_ms

from serinus_controller.domain.announce import Notice, reason_of

EVENTS = "/api/v1"
POLICIES = f"/apis/{GROUP}/{VERSION}"
MAX_MESSAGE_LENGTH = 1024


@dataclass(frozen=True)
class KubernetesEvents:
    """Writes Events; the same one again only counts up."""

    api: Api
    clock: Clock = now_ms

    async def announce(self, decision: DecisionTaken) -> None:
        """Raises ClusterError."""
        run, reason, message = decision.run, reason_of(decision), decision.sentence
        bad = decision.action in ("abort", "refused") or decision.state in ("failed", "waiting")
        about = _rollout(run.namespace, run.name, run.uid)
        await self._write(about, "Warning" if bad else "Normal", reason, message, decision.decided, str(run.attempt))

    async def notify(self, notice: Notice) -> None:
        """An Event on the Rollout, and on each policy that is a resource. Raises ClusterError."""
        abouts = [_rollout(notice.namespace, notice.name, notice.uid), *await self._policies(notice)]
        for about in abouts:
            await self._write(about, "Warning", "SerinusPolicy", notice.text, self.clock())

    async def _policies(self, notice: Notice) -> list[dict[str, str]]:
        found = []
        for name in notice.policies:
            path = f"{POLICIES}/namespaces/{notice.namespace}/{PLURAL}/{quote(name, safe='')}"
            try:
                one = await self.api.request("GET", path)
            except ClusterError as error:
                # A policy of a file, most often.
                if error.status not in (403, 404):
                    raise
                continue
            uid = str((one.get("metadata") or {}).get("uid", ""))
            found.append(_about(f"{GROUP}/{VERSION}", KIND, notice.namespace, name, uid))
        return found

    async def _write(
        self,
        about: dict[str, str],
        kind: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        at: Millis,
        attempt: str = "",
    ) -> None:
        namespace, message = about["namespace"], message[:MAX_MESSAGE_LENGTH]
        digest = hashlib.sha256(f"{about['uid']}/{attempt}/{reason}/{message}".encode()).hexdigest()[:16]
        now = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        path = f"{EVENTS}/namespaces/{namespace}/events"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about['name'][:200]}.serinus.{digest}", "namespace": namespace},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "serinus"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self.api.request("POST", path, body=body)
        except ClusterError as error:
            if error.status != 409:
                raise
            name = body["metadata"]["name"]
            known = await self.api.request("GET", f"{path}/{name}")
            again = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": now}
            await self.api.request("PATCH", f"{path}/{name}", body=again, content_type="application/merge-patch+json")


def _rollout(namespace: str, name: str, uid: str) -> dict[str, str]:
    return _about("argoproj.io/v1alpha1", "Rollout", namespace, name, uid)


def _about(version: str, kind: str, namespace: str, name: str, uid: str) -> dict[str, str]:
    return {"apiVersion": version, "kind": kind, "namespace": namespace, "name": name, "uid": uid}
