"""The run that every event is about, and what all events have in common."""

from typing import ClassVar

from pydantic import Field

from serinus_contracts.base import Contract
from serinus_contracts.streams import Stream


class Run(Contract):
    """One attempt to release one template. A pod hash comes back on retry and rollback, hence `attempt`."""

    cluster: str = Field(description="name of the cluster, as set in the controller (SERINUS_CLUSTER)")
    namespace: str = Field(description="of the Rollout")
    name: str = Field(description="of the Rollout")
    uid: str = Field(description="of the Rollout: a recreated one has another")
    canary_hash: str = Field(description="pod template hash of the new version")
    stable_hash: str = Field(description="pod template hash of the version before")
    attempt: int = Field(ge=1, description="the same template may be tried again")

    @property
    def id(self) -> str:
        """cluster/uid/hash/attempt: the same wherever the run is named, also in keys."""
        return f"{self.cluster}/{self.uid}/{self.canary_hash}/{self.attempt}"

    @property
    def rollout(self) -> str:
        """namespace/name, as people name it."""
        return f"{self.namespace}/{self.name}"


class Event(Contract):
    """Base of all events: the `data` of a CloudEvent."""

    TYPE: ClassVar[str]
    STREAM: ClassVar[Stream]
    run: Run

    def event_id(self) -> str:
        """The same for a repeat of this event and no other: source and id tell repeats apart from news."""
        raise NotImplementedError

    def flat(self) -> dict[str, str]:
        """Fields that stand beside the envelope in the stream entry, for filters that cannot look into JSON."""
        return {"run": self.run.id}
