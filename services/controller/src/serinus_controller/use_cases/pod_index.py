"""The pods of a cluster, by the ReplicaSet that owns them."""

from collections.abc import Mapping, Sequence

from serinus_contracts import Run
from serinus_contracts.base import Arm
from serinus_rollouts.pods import PodView
from serinus_rollouts.rollout import RolloutView

# Of the names of an arm's pods that are told in every event of the run; the collector counts the requests of all.
MAX_POD_CHARACTERS = 64_000


class PodIndex:
    """Kept true by lists and changes of the watch, in any order."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], PodView] = {}
        self._by_owner: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._listed: set[str] = set()

    def replace(self, pods: Sequence[PodView], *, namespace: str) -> None:
        """Take the full list of pods of a namespace, of all if it is empty."""
        self._listed.add(namespace)
        present = {(pod.namespace, pod.name) for pod in pods}
        for key, pod in list(self._pods.items()):
            if key not in present and namespace in ("", pod.namespace):
                self.remove(pod)
        for pod in pods:
            self.put(pod)

    def put(self, pod: PodView) -> None:
        """A pod was made or changed."""
        key = (pod.namespace, pod.name)
        self._pods[key] = pod
        self._by_owner.setdefault((pod.namespace, pod.owner), set()).add(key)

    def remove(self, pod: PodView) -> None:
        """A pod is gone."""
        key = (pod.namespace, pod.name)
        self._pods.pop(key, None)
        owned = self._by_owner.get((pod.namespace, pod.owner), set())
        owned.discard(key)
        if not owned:
            self._by_owner.pop((pod.namespace, pod.owner), None)

    def knows(self, namespace: str) -> bool:
        """Whether the list of a namespace's pods has come."""
        return not self._listed.isdisjoint({"", namespace})

    def of(self, view: RolloutView, run: Run) -> list[tuple[Arm, PodView]]:
        """The pods of both arms of a run, by name; of each arm as many as may be told."""
        arms: Mapping[Arm, str] = {"canary": run.canary_hash, "stable": run.stable_hash}
        found = []
        for arm, hash_ in arms.items():
            left = MAX_POD_CHARACTERS
            for key in sorted(self._by_owner.get((view.namespace, f"{view.name}-{hash_}"), ())):
                left -= len(key[1])
                if left < 0:
                    break
                found.append((arm, self._pods[key]))
        return found
