"""Which run a Rollout is in: one attempt to release one template.

A pod hash comes back, when an abort is taken back and when a template is rolled back and forth, so attempts are
counted per Rollout and the count is kept: a new one begins when the hash changes or an abort is taken back.
"""

from typing import Self

from serinus_contracts import Run
from serinus_contracts.base import Contract

from serinus_controller.domain.rollout import RolloutView


class Attempt(Contract):
    """The last attempt seen of one Rollout."""

    hash: str
    number: int = 1
    aborted: bool = False
    version: int = 0

    def following(self, view: RolloutView) -> Self:
        """The attempt after seeing `view`; an older view than the last one changes nothing."""
        version = version_of(view)
        if version < self.version:
            return self
        taken_back = self.aborted and not view.aborted
        fresh = view.current_hash != self.hash or taken_back
        return self.model_copy(
            update={
                "hash": view.current_hash,
                "number": self.number + fresh,
                "aborted": view.aborted,
                "version": version,
            }
        )

    @classmethod
    def first(cls, view: RolloutView) -> Self:
        return cls(hash=view.current_hash, aborted=view.aborted, version=version_of(view))


def version_of(view: RolloutView) -> int:
    """The resourceVersion as a number, by which a stale reader recognises that it is one."""
    return int(view.resource_version) if view.resource_version.isdigit() else 0


def run_of(cluster: str, view: RolloutView, attempt: Attempt) -> Run:
    return Run(
        cluster=cluster,
        namespace=view.namespace,
        name=view.name,
        uid=view.uid,
        canary_hash=attempt.hash,
        stable_hash=view.stable_hash,
        attempt=attempt.number,
    )
