"""The collector's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, field_validator
from pydantic_settings import NoDecode
from serinus_collecting.providers import Address, Provider, read_providers
from serinus_runtime.settings import Settings


class CollectorSettings(Settings):
    """The settings of a collector; each is the variable SERINUS_ and its name in capitals."""

    providers: Annotated[dict[str, Address], NoDecode] = Field(
        {"main": HttpUrl("http://127.0.0.1:9090")},
        description="metrics providers by the name that policies use, as main=http://prometheus:9090,other=https://...",
    )
    providers_file: Annotated[dict[str, Provider], NoDecode] = Field(
        {},
        description="YAML file of providers that want credentials, certificates or headers, "
        "as providers: {main: {url: https://..., basic_auth: {username: ..., password_file: ...}}}",
    )
    query_timeout: Annotated[float, Field(gt=0, le=15)] = Field(10.0, description="seconds that one query may take")
    query_concurrency: Annotated[int, Field(ge=1)] = Field(10, description="queries at once per provider")
    concurrency: Annotated[int, Field(ge=1)] = Field(32, description="maximum concurrent snapshots")
    namespace_share: Annotated[float, Field(gt=0, le=100)] = Field(
        0.5,
        description="seconds a second that collecting and judging for one namespace may take while others have "
        "runs too; its snapshots are further apart then. More where there are several collectors and analyzers",
    )
    clock_allowance: Annotated[float, Field(ge=0)] = Field(
        2.0, description="seconds that clocks of hosts may differ: no window ends closer to the last known weight"
    )

    @property
    def lease(self) -> float:
        """Seconds that a snapshot may take: two queries in a row at their longest, and the commit."""
        return 2 * self.query_timeout + 3.0

    @property
    def reached(self) -> dict[str, Provider]:
        """Providers by name; what the file says of a name counts, and the default only where nothing is said."""
        said = not self.providers_file or "providers" in self.model_fields_set
        plain = {name: Provider(url=url) for name, url in self.providers.items()} if said else {}
        return plain | self.providers_file

    @field_validator("providers_file", mode="before")
    @classmethod
    def _from_file(cls, value: object) -> object:
        return read_providers(Path(value)) if isinstance(value, str) else value

    @field_validator("providers", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found = {}
        for part in value.split(","):
            name, equals, url = part.strip().partition("=")
            if not equals or not name:
                raise ValueError("write name=url, several separated by commas")
            found[name] = url
        return found
