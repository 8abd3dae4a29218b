"""Decisions as Kubernetes Events on the Rollout, where its users look first. Best effort: the stream is the record."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serinus_contracts import DecisionTaken

from serinus_controller.adapters.kubernetes import Api
from serinus_controller.domain.announce import reason_of
from serinus_controller.service_layer.ports import ClusterError

EVENTS = "/api/v1"
LONGEST = 1024


@dataclass(frozen=True)
class KubernetesEvents:
    """Writes Events; the same one again only counts up."""

    api: Api

    async def announce(self, decision: DecisionTaken) -> None:
        """Raises ClusterError."""
        run, reason, message = decision.run, reason_of(decision), decision.sentence[:LONGEST]
        digest = hashlib.sha256(f"{run.uid}/{run.attempt}/{reason}/{message}".encode()).hexdigest()[:16]
        now = datetime.fromtimestamp(decision.decided / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        bad = decision.action in ("abort", "refused") or decision.state in ("failed", "waiting")
        path = f"{EVENTS}/namespaces/{run.namespace}/events"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{run.name[:200]}.serinus.{digest}", "namespace": run.namespace},
            "involvedObject": {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Rollout",
                "namespace": run.namespace,
                "name": run.name,
                "uid": run.uid,
            },
            "type": "Warning" if bad else "Normal",
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
