"""How metrics providers are reached: the fields of Prometheus' own `http_config`, by the name that policies use.

Paths are relative to the file that names them. Secrets in files are read at each request, so that they can rotate;
the file of providers itself is read at start.
"""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationInfo, model_validator
from serinus_contracts.base import Document
from serinus_runtime.documents import DocumentError, read


def _readable(path: Path, info: ValidationInfo) -> Path:
    found = Path((info.context or {}).get("folder", "."), path)
    if not found.is_file() or not os.access(found, os.R_OK):
        raise ValueError("names no file that can be read")
    return found


def without_credentials(url: HttpUrl) -> HttpUrl:
    """Addresses are logged and shown; raises ValueError for one that holds a password."""
    if url.username or url.password:
        raise ValueError("an address holds no credentials: use basic_auth with password_file (SERINUS_PROVIDERS_FILE)")
    return url


SecretFile = Annotated[Path, AfterValidator(_readable)]
Address = Annotated[HttpUrl, AfterValidator(without_credentials)]


def _exactly_one(document: Document, *names: str) -> None:
    if [getattr(document, name) is not None for name in names].count(True) != 1:
        raise ValueError(f"give exactly one of: {', '.join(names)}")


class BasicAuth(Document):
    """A name, and exactly one of password and password_file."""

    username: str
    password: SecretStr | None = None
    password_file: SecretFile | None = None

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        _exactly_one(self, "password", "password_file")
        return self


class Authorization(Document):
    """A header of this type, and exactly one of credentials and credentials_file."""

    type: str = Field("Bearer", pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    credentials: SecretStr | None = None
    credentials_file: SecretFile | None = None

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        _exactly_one(self, "credentials", "credentials_file")
        if self.type.lower() == "basic":
            raise ValueError("type Basic is written as basic_auth")
        return self


class TlsConfig(Document):
    """`ca_file` replaces the system's authorities; `cert_file` and `key_file` are the client's own."""

    ca_file: SecretFile | None = None
    cert_file: SecretFile | None = None
    key_file: SecretFile | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False

    @model_validator(mode="after")
    def _has_certificate_with_key(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both")
        return self


class OAuth2(Document):
    """Client credentials grant (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: SecretStr | None = None
    client_secret_file: SecretFile | None = None
    token_url: Address
    scopes: tuple[str, ...] = ()
    endpoint_params: dict[str, str] = {}
    tls_config: TlsConfig = TlsConfig()

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        _exactly_one(self, "client_secret", "client_secret_file")
        return self


class Header(Document):
    """One header: its values, secret ones, and files that hold one, joined by commas."""

    values: tuple[str, ...] = ()
    secrets: tuple[SecretStr, ...] = ()
    files: tuple[SecretFile, ...] = ()


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
_OURS = {"authorization", "host", "content-type", "content-length", "content-encoding", "transfer-encoding"}


class Provider(Document):
    """One provider: its address, and how it is reached."""

    url: Address
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    tls_config: TlsConfig = TlsConfig()
    http_headers: dict[HeaderName, Header] = {}
    namespaces: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="of runs whose policies may name it, with *; none: all"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if [self.basic_auth, self.authorization, self.oauth2].count(None) < 2:
            raise ValueError("give at most one of: basic_auth, authorization, oauth2")
        if self.url.scheme == "http" and self.tls_config != TlsConfig():
            raise ValueError("tls_config needs an address that begins with https://")
        taken = sorted(name for name in self.http_headers if name.lower() in _OURS)
        if taken:
            raise ValueError(f"http_headers cannot set {', '.join(taken)}: authorization and basic_auth are for that")
        return self


class _Providers(Document):
    providers: dict[Annotated[str, Field(min_length=1)], Provider] = Field(min_length=1)


def read_providers(file: Path) -> dict[str, Provider]:
    """The providers of a file. Raises DocumentError with file, line and column, never with a value."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError.about(str(file), str(getattr(error, "strerror", None) or "is no UTF-8")) from None
    found = read(text, str(file), _Providers, {"folder": file.parent})
    if len(found) != 1:
        raise DocumentError.about(str(file), f"holds {len(found)} documents, expected one with the key providers")
    return found[0].providers
