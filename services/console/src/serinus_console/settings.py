"""The console's settings."""

from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode
from serinus_runtime.settings import Settings

Auth = Literal["none", "token", "kubernetes", "proxy"]


class ConsoleSettings(Settings):
    """Who may sign in and act, and how pages and API are served."""

    auth: Auth = Field(
        "none",
        description="who may act: none (read-only), token (holders of SERINUS_TOKEN), kubernetes (bearer token by "
        "TokenReview, right by SubjectAccessReview), proxy (identity from a trusted proxy's headers, right by "
        "SubjectAccessReview)",
    )
    token: SecretStr = Field(SecretStr(""), description="with auth token: the one token, at least 20 characters")
    cluster: str = Field(
        "default", description="the cluster that rights are asked of; runs of other clusters are shown, not commanded"
    )
    audience: str = Field("serinus-console", description="with auth kubernetes: audience that a token must be for")
    kubeconfig: str = Field(
        "",
        validation_alias="KUBECONFIG",
        description="kubeconfig file, of which the current context is used; empty uses the pod's service account",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="comma-separated addresses or networks of proxies whose X-Forwarded-* and identity headers are "
        "trusted; required with auth proxy",
    )
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="comma-separated host names that the page answers to; empty: any, or only localhost if it listens "
        "on loopback",
    )
    user_header: str = Field("X-Forwarded-User", description="with auth proxy: header with the user's name")
    groups_header: str = Field("X-Forwarded-Groups", description="with auth proxy: header with groups, by commas")
    session_hours: Annotated[float, Field(gt=0)] = Field(8.0, description="hours until a browser has to sign in again")

    @field_validator("trusted_proxies", "hosts", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            ip_network(one, strict=False)
        return value

    @model_validator(mode="after")
    def _proxies_are_named(self) -> Self:
        if self.auth == "proxy" and not self.trusted_proxies:
            raise ValueError(
                "SERINUS_AUTH=proxy believes the identity that a proxy sends: name the addresses or networks it comes "
                "from in SERINUS_TRUSTED_PROXIES, such as 10.2.3.4 or 10.2.0.0/16"
            )
        return self

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """Names under which the page answers; empty is any."""
        if self.hosts:
            return self.hosts
        try:
            loopback = self.http_host == "localhost" or ip_address(self.http_host).is_loopback
        except ValueError:
            loopback = False
        return ("localhost", "127.0.0.1", "::1", self.http_host) if loopback else ()
