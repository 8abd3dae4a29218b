"""Which run a Rollout is in: one attempt to release one template.

A pod hash comes back, when an abort is taken back and when a template is rolled back and forth, so attempts are
counted per Rollout and the count is kept: a new one begins when the hash changes, when an abort is taken back, and
when the steps are edited, since Argo then begins again at the first one.
"""

from typing import Self

from serinus_contracts import Run
from serinus_contracts.base import Contract

from serinus_rollouts.rollout import RolloutView


class Attempt(Contract):
    """The last attempt seen of one Rollout. `steps` is Argo's hash of its steps."""

    hash: str
    steps: str = ""
    number: int = 1
    aborted: bool = False
    retried: bool = False
    version: int = 0

    def following(self, view: RolloutView, *, another: bool = False) -> Self:
        """The attempt after seeing `view`; an older view than the last one changes nothing.

        `another`: the view is of another attempt, though nothing else tells.
        """
        if version_of(view) < self.version:
            return self
        # Abort and retry may both have come while nobody looked.
        taken_back = not view.aborted and (self.aborted or (view.retried and not self.retried))
        fresh = taken_back or another or (view.current_hash, view.step_hash) != (self.hash, self.steps)
        return self.first(view).model_copy(update={"number": self.number + fresh})

    @classmethod
    def first(cls, view: RolloutView) -> Self:
        """The first attempt of a Rollout, as a view shows it."""
        return cls(
            hash=view.current_hash,
            steps=view.step_hash,
            aborted=view.aborted,
            retried=view.retried,
            version=version_of(view),
        )


def version_of(view: RolloutView) -> int:
    """The resourceVersion as a number, by which a stale reader recognises that it is one."""
    return int(view.resource_version) if view.resource_version.isdigit() else 0


def run_of(cluster: str, view: RolloutView, attempt: Attempt) -> Run:
    """The run of an attempt, whose id is `cluster/uid/hash/attempt`."""
    return Run(
        cluster=cluster,
        namespace=view.namespace,
        name=view.name,
        uid=view.uid,
        canary_hash=attempt.hash,
        stable_hash=view.stable_hash,
        attempt=attempt.number,
    )


def uid_of(run_id: str) -> str:
    """The uid of the Rollout that a run's id names, '' of what is no such id."""
    return run_id.split("/")[-3] if run_id.count("/") >= 3 else ""
