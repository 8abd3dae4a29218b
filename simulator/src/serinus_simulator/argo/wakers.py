"""Which Rollouts Argo looks at again when something beside them changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from serinus_simulator.argo.analysis.templates import refers_to
from serinus_simulator.argo.traffic import ingress_names
from serinus_simulator.argo.view import HASH_LABEL, MANAGED_BY, Key, RolloutView
from serinus_simulator.kubernetes.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    INGRESSES,
    REPLICA_SETS,
    SERVICES,
    Object,
)
from serinus_simulator.kubernetes.objects import Change, ObjectStore


class Wakers:
    """Follows what Rollouts own or name, and calls `wake` with the key of each that is concerned.

    `believed` is what Argo holds the Rollouts to be.
    """

    def __init__(self, store: ObjectStore, believed: Mapping[Key, Object], wake: Callable[[Key], None]) -> None:
        self._believed, self._wake = believed, wake
        store.subscribe(REPLICA_SETS, self._owned_changed)
        store.subscribe(INGRESSES, self._ingress_changed)
        store.subscribe(SERVICES, self._service_changed)
        store.subscribe(ANALYSIS_RUNS, self._run_changed)
        for kind in (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES):
            store.subscribe(kind, self._template_changed)

    def _owned_changed(self, change: Change) -> None:
        metadata = change.last["metadata"]
        owners = [owner["name"] for owner in metadata.get("ownerReferences", []) if owner["kind"] == "Rollout"]
        if managed_by := (metadata.get("annotations") or {}).get(MANAGED_BY):
            owners.append(managed_by)
        for name in owners:
            self._wake((metadata["namespace"], name))

    def _service_changed(self, change: Change) -> None:
        """Only a Service that carries a hash wakes anybody: that it is gone, or is back as its owner writes it, is seen
        when Argo next looks by itself."""
        service = change.new
        if service is None or HASH_LABEL not in ((service.get("spec") or {}).get("selector") or {}):
            return
        if MANAGED_BY in (service["metadata"].get("annotations") or {}):
            self._owned_changed(change)
        else:
            self._wake_naming(service, lambda rollout: (rollout.stable_service, rollout.canary_service))

    def _ingress_changed(self, change: Change) -> None:
        """Those that name it, and the one that it was made for, look again, but not when it is gone."""
        if change.new is not None:
            self._wake_naming(change.new, ingress_names)

    def _wake_naming(self, named: Object, names: Callable[[RolloutView], tuple[str, ...]]) -> None:
        metadata = named["metadata"]
        for key, obj in self._believed.items():
            if key[0] == metadata["namespace"] and metadata["name"] in names(RolloutView(obj)):
                self._wake(key)

    def _run_changed(self, change: Change) -> None:
        """A measurement alone wakes no Rollout, another phase does."""
        phases = [((obj or {}).get("status") or {}).get("phase") for obj in (change.old, change.new)]
        if None in (change.old, change.new) or phases[0] != phases[1]:
            self._owned_changed(change)

    def _template_changed(self, change: Change) -> None:
        metadata = change.last["metadata"]
        for key, obj in self._believed.items():
            canary = RolloutView(obj).canary
            analyses = [canary.get("analysis"), *(step.get("analysis") for step in canary.get("steps") or [])]
            here = metadata.get("namespace", key[0]) == key[0]
            if here and any(refers_to(analysis, metadata["name"]) for analysis in analyses):
                self._wake(key)
