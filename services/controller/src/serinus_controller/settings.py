"""The controller's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode
from serinus_contracts.base import Seconds
from serinus_runtime.redis import STORY_SECONDS
from serinus_runtime.settings import Settings


class ControllerSettings(Settings):
    """Which cluster and namespaces are its, by which policies, and how it stands for election."""

    cluster: str = Field(
        "default",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="name of this cluster in every run's id; several may share a Redis",
    )
    policies: Path = Field(Path("policies"), description="folder of CanaryPolicy files")
    namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="namespaces to watch, separated by commas; empty watches all"
    )
    provider_namespaces: dict[str, tuple[str, ...]] = Field(
        {},
        description="which namespaces may use a provider, as the collector's file of providers says it, in JSON: "
        '{"main": ["shop", "pay-*"]}; one that is not named is for all',
    )
    kubeconfig: str = Field(
        "",
        validation_alias="KUBECONFIG",
        description="kubeconfig file, of which the current context is used; empty uses the pod's service account",
    )
    api_timeout: Annotated[float, Field(gt=0)] = Field(10.0, description="seconds that a Kubernetes request may take")
    poll: Annotated[int, Field(ge=1)] = Field(
        5, description="seconds between consistent reads of the Rollouts: snapshots reach no further than the last one"
    )
    history_kept: Annotated[Seconds, Field(ge=3600)] = Field(
        STORY_SECONDS, description="how long the report of a run is kept after its end, such as 30d"
    )
    max_runs: Annotated[int, Field(ge=1)] = Field(
        1_000,
        description="releases of one namespace that are judged at once; more are left to themselves, with an Event",
    )
    lease_namespace: str = Field("serinus", description="namespace of the Lease by which controllers elect a leader")
    lease_name: str = Field("serinus-controller", description="name of that Lease")
    lease_duration: Annotated[float, Field(ge=1)] = Field(
        15.0,
        description="seconds after which a leader that fell silent is replaced; longer than a Kubernetes request",
    )

    @field_validator("namespaces", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("lease_duration")
    @classmethod
    def _outlasts_a_request(cls, value: float, given: ValidationInfo) -> float:
        timeout = given.data.get("api_timeout", 0.0)
        if value <= timeout:
            raise ValueError(
                f"must be longer than a Kubernetes request may take (SERINUS_API_TIMEOUT, {timeout:g}): what a leader "
                "has sent could else arrive when another one leads"
            )
        return value
