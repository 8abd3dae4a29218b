"""How metrics providers are reached, by the name that policies use: the fields of Prometheus' own `http_config`, and
those of its `remote_write` for clouds.

Paths are relative to the file that names them. Secrets in files are read at each request, so that they can rotate;
the file of providers itself is read at start.
"""

import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationInfo, model_validator
from serinus_contracts.base import Document
from serinus_contracts.period_stores import Api
from serinus_counting.periods import Periods
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


def _installed(module: str, field: str, extra: str) -> None:
    if not _is_there(module):
        raise ValueError(
            f"{field} needs the extra {extra} of the collector, which its image has: "
            f"pip install 'serinus-collecting[{extra}]'"
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


class SigV4(Document):
    """Signs for AWS (Amazon Managed Prometheus) with the credentials that its libraries find: the environment, a
    profile, a role of the service account (IRSA, Pod Identity) or of the instance."""

    region: str | None = Field(None, description="absent: that of an address of AWS, or of the environment or profile")
    profile: str | None = Field(None, description="of AWS' own files")
    role_arn: str | None = Field(None, description="a role to assume with what was found")
    service: str | None = Field(
        None, description="whose name is signed for; absent: aps, Managed Prometheus, and of api cloudwatch monitoring"
    )

    @model_validator(mode="after")
    def _has_its_library(self) -> Self:
        _installed("botocore", "sigv4", "aws")
        return self


class GoogleIam(Document):
    """A token of Google's: of a file, else application default credentials, which workload identity is one of."""

    credentials_file: SecretFile | None = Field(
        None, description="a service account's key, or the configuration of a workload identity federation"
    )

    @model_validator(mode="after")
    def _has_its_library(self) -> Self:
        _installed("google.auth", "google_iam", "google")
        return self


class ManagedIdentity(Document):
    """Of the node or pod; `client_id` of one that was made by a user."""

    client_id: str | None = None


class WorkloadIdentity(Document):
    """Of the service account; what is absent is what Azure's webhook has put into the pod's environment."""

    client_id: str | None = None
    tenant_id: str | None = None
    token_file_path: Path | None = None


class AzureAd(Document):
    """A token of Microsoft Entra: exactly one of managed_identity and workload_identity."""

    cloud: Literal["AzurePublic", "AzureGovernment", "AzureChina"] = "AzurePublic"
    managed_identity: ManagedIdentity | None = None
    workload_identity: WorkloadIdentity | None = None
    scope: str | None = Field(None, description="of the token, where it is not the cloud's Managed Prometheus")

    @model_validator(mode="after")
    def _has_one_identity(self) -> Self:
        _exactly_one(self, "managed_identity", "workload_identity")
        _installed("azure.identity", "azuread", "azure")
        return self


class Header(Document):
    """One header: its values, secret ones, and files that hold one, joined by commas."""

    values: tuple[str, ...] = ()
    secrets: tuple[SecretStr, ...] = ()
    files: tuple[SecretFile, ...] = ()


_DATADOG_KEYS = {"dd-api-key", "dd-application-key"}
_SHORT = (1, 5, 10, 20, 30)
# Of periods: agents send every 10 s, and what a store shows of the last minute is still growing.
USUAL_PERIOD = 60
_DELAYS: dict[Api, int] = {"prometheus": 0, "datadog": 120, "cloudwatch": 180}
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
_OURS = {"authorization", "host", "content-type", "content-length", "content-encoding", "transfer-encoding"}


class Provider(Document):
    """One provider: its address, what it speaks, and how it is reached."""

    url: Address
    api: Api = Field("prometheus", description="what it speaks")
    period: int | None = Field(
        None, ge=1, le=3600, description="seconds of datadog's and cloudwatch's sums, of which windows are made; 60"
    )
    delay: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        None, description="seconds after its end until a period is taken for whole; 120, of cloudwatch 180"
    )
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    sigv4: SigV4 | None = None
    google_iam: GoogleIam | None = None
    azuread: AzureAd | None = None
    tls_config: TlsConfig = TlsConfig()
    http_headers: dict[HeaderName, Header] = {}
    compression: Literal["identity", "gzip"] = Field(
        "identity", description="of answers; gzip takes half of the provider's time, and a tenth of the bytes"
    )
    namespaces: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="of runs whose policies may name it, with *; none: all"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        ways = ("basic_auth", "authorization", "oauth2", "sigv4", "google_iam", "azuread")
        if len([way for way in ways if getattr(self, way) is not None]) > 1:
            raise ValueError(f"give at most one of: {', '.join(ways)}")
        if self.url.scheme == "http" and self.tls_config != TlsConfig():
            raise ValueError("tls_config needs an address that begins with https://")
        names = Counter([name.lower() for name in self.http_headers])
        if twice := sorted(name for name, number in names.items() if number > 1):
            raise ValueError(f"http_headers has one header in two spellings: {', '.join(twice)}")
        self._check_api()
        taken = sorted(name for name in self.http_headers if name.lower() in _OURS)
        if taken:
            raise ValueError(f"http_headers cannot set {', '.join(taken)}: authorization and basic_auth are for that")
        return self

    def _check_api(self) -> None:
        if self.api == "prometheus" and (self.period is not None or self.delay is not None):
            raise ValueError("period and delay are for the sums of api datadog and cloudwatch: leave them out")
        if self.api == "cloudwatch" and self.sigv4 is None:
            raise ValueError("api cloudwatch is signed in to by sigv4, as sigv4: {}")
        if self.api == "cloudwatch" and self.period is not None and self.period not in _SHORT and self.period % 60:
            raise ValueError("periods of cloudwatch are 1, 5, 10, 20 or 30 seconds, or whole minutes")
        if self.api == "datadog":
            keys = {name.lower(): header for name, header in self.http_headers.items() if name.lower() in _DATADOG_KEYS}
            if any(header.values or not (header.secrets or header.files) for header in keys.values()):
                raise ValueError("keys of Datadog are secrets: give each by files or secrets, not by values")
            if len(keys) < len(_DATADOG_KEYS) and self.authorization is None:
                raise ValueError(
                    "api datadog is signed in to by http_headers DD-API-KEY and DD-APPLICATION-KEY, each with files: "
                    "[its file]"
                )

    @property
    def periods(self) -> Periods:
        """How a store of sums cuts time, and when a period is whole."""
        seconds = _DELAYS[self.api] if self.delay is None else self.delay
        return Periods(1000 * (self.period or USUAL_PERIOD), 1000 * seconds)


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
