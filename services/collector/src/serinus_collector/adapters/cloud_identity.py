"""Who the collector is to a cloud: identities that the vendors' own libraries find, renew and sign with.

The libraries are extras, imported where one is configured. They block while they look for credentials and renew them:
that is done in a thread. No message holds a secret.
"""

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import httpx

from serinus_collector.adapters.tokens import InThread, Tokens
from serinus_collector.config.providers import AzureAd, GoogleIam, Provider, SigV4
from serinus_collector.use_cases.ports import ProviderError

# For one request of a library, which may try several places in a row.
REQUEST_SECONDS = 5
# Instances' servers give the same token until some minutes before it ends.
EARLY_SECONDS = 60.0
GOOGLE_SCOPE = "https://www.googleapis.com/auth/monitoring.read"
_AZURE = {
    "AzurePublic": ("login.microsoftonline.com", "https://prometheus.monitor.azure.com/.default"),
    "AzureGovernment": ("login.microsoftonline.us", "https://prometheus.monitor.azure.us/.default"),
    "AzureChina": ("login.partner.microsoftonline.cn", "https://prometheus.monitor.azure.cn/.default"),
}


class CloudIdentity(ABC):
    """One identity, which lets requests in. `needs` says what it must be allowed."""

    needs: str

    @abstractmethod
    async def authorize(self, request: httpx.Request) -> None:
        """Add to the request what shows who asks; its body has been read. Raises ProviderError."""

    @abstractmethod
    def refused(self) -> None:
        """The provider did not take what was added: look anew next time."""

    @abstractmethod
    async def describe(self) -> str:
        """Which identity was found, and where. Raises ProviderError."""


def identity_of(provider: Provider) -> CloudIdentity | None:
    """The identity by which a provider is reached, if by one of a cloud."""
    if provider.sigv4:
        return AwsIdentity(provider.sigv4, provider.url.host or "")
    if provider.google_iam:
        return TokenIdentity(GoogleTokens(provider.google_iam))
    return TokenIdentity(AzureTokens(provider.azuread)) if provider.azuread else None


def _said(error: Exception) -> str:
    """What a library says, on one line and not longer than a sentence."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class AwsIdentity(CloudIdentity):
    """Signs each request by Signature Version 4."""

    needs = "aps:QueryMetrics, as the policy AmazonPrometheusQueryAccess has it"

    def __init__(self, config: SigV4, host: str) -> None:
        in_host = re.search(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.", f".{host}.")
        self._config, self._region = config, config.region or (in_host[1] if in_host else "")
        self._credentials: Any = None
        self._renewed = InThread(self._renew)

    async def authorize(self, request: httpx.Request) -> None:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        frozen = await self._frozen()
        signed = AWSRequest(request.method, str(request.url), data=request.content)
        SigV4Auth(frozen, self._config.service, self._region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))

    def refused(self) -> None:
        self._credentials = None

    async def describe(self) -> str:
        frozen = await self._frozen()
        method = str(self._credentials.method)
        place, role = _AWS_PLACES.get(method, method), self._config.role_arn
        if method == "assume-role-with-web-identity":
            role = role or os.environ.get("AWS_ROLE_ARN")
        what = f"role {role}, " if role else ""
        return f"AWS {what}access key {frozen.access_key}, by {place}, in {self._region}"

    async def _frozen(self) -> Any:
        found = self._credentials
        # Of credentials that never end there is nothing to ask.
        due = getattr(found, "refresh_needed", None)
        if found is None or (due is not None and due()):
            return await self._renewed()
        return found.get_frozen_credentials()

    def _renew(self) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._credentials is None:
                self._credentials = self._find()
            return self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise ProviderError(f"AWS gave no credentials{self._tried()}: {_said(error)}") from None

    def _find(self) -> Any:
        from botocore.config import Config
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
        from botocore.session import Session

        session = Session(profile=self._config.profile)
        retries = {"max_attempts": 1}
        limits = Config(connect_timeout=REQUEST_SECONDS, read_timeout=REQUEST_SECONDS, retries=retries)
        session.set_default_client_config(limits)
        self._region = self._region or os.environ.get("AWS_REGION") or session.get_config_variable("region") or ""
        if not self._region:
            raise ProviderError("sigv4 needs a region: give sigv4.region, or AWS_REGION to the collector")
        session.set_config_variable("region", self._region)
        found = session.get_credentials()
        if found is None:
            raise ProviderError(
                f"no AWS credentials were found{self._tried()}: give the collector's service account a role (IRSA or "
                "Pod Identity), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if not self._config.role_arn:
            return found
        fetcher = AssumeRoleCredentialFetcher(
            session.create_client, found, self._config.role_arn, extra_args={"RoleSessionName": "serinus-collector"}
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _tried(self) -> str:
        profile = f"profile {self._config.profile}" if self._config.profile else "AWS' files"
        role = f", for the role {self._config.role_arn}" if self._config.role_arn else ""
        return f" (tried the environment, {profile}, web identity, container and instance{role})"


_AWS_PLACES = {
    "env": "the environment",
    "shared-credentials-file": "the file of credentials",
    "config-file": "the configuration file",
    "assume-role": "assuming it",
    "assume-role-with-web-identity": "web identity (IRSA)",
    "container-role": "the container's credentials (Pod Identity)",
    "iam-role": "the instance's role",
    "sso": "single sign-on",
}


class TokenSource(ABC):
    """Where a cloud's tokens come from; both methods are called in a thread and block."""

    needs: str

    @abstractmethod
    def token(self) -> tuple[str, float]:
        """A token, and the seconds that it lives. Raises ProviderError."""

    @abstractmethod
    def description(self) -> str:
        """Which identity the last token is of."""


class TokenIdentity(CloudIdentity):
    """Bearer tokens of a cloud."""

    def __init__(self, source: TokenSource, clock: Callable[[], float] = time.monotonic) -> None:
        self.needs, self._source = source.needs, source
        self._tokens = Tokens(InThread(source.token), clock=clock, early_seconds=EARLY_SECONDS)
        self._last = ""

    async def authorize(self, request: httpx.Request) -> None:
        self._last = await self._tokens.token()
        request.headers["Authorization"] = f"Bearer {self._last}"

    def refused(self) -> None:
        self._tokens.forget(self._last)

    async def describe(self) -> str:
        await self._tokens.token()
        return self._source.description()


class GoogleTokens(TokenSource):
    """Tokens of a file, or of application default credentials."""

    needs = "monitoring.timeSeries.list, as the role roles/monitoring.viewer has it"

    def __init__(self, config: GoogleIam) -> None:
        self._config, self._last = config, ""
        self._credentials: Any = None

    def token(self) -> tuple[str, float]:
        from google.auth.exceptions import GoogleAuthError

        try:
            found = self._credentials
            if found is None:
                found = self._credentials = self._find()
            # To find those of a federation has brought a token already.
            if found.token is None or found.token == self._last:
                found.refresh(self._request)
            self._last = found.token
        except (GoogleAuthError, OSError, ValueError) as error:
            raise ProviderError(f"Google gave no token (tried {self._tried()}): {_said(error)}") from None
        expiry = found.expiry
        # The library's times are UTC and say so or not.
        ends = (expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)).timestamp() if expiry else float("inf")
        return str(found.token), ends - time.time()

    def description(self) -> str:
        kind = type(self._credentials).__module__.rpartition(".")[2]
        email = getattr(self._credentials, "service_account_email", None)
        return f"Google {email or 'identity'}, by {_GOOGLE_KINDS.get(kind, kind)}"

    def _find(self) -> Any:
        import google.auth

        request: Any = self._request
        if self._config.credentials_file:
            found, _ = google.auth.load_credentials_from_file(  # type: ignore[no-untyped-call]
                str(self._config.credentials_file), scopes=[GOOGLE_SCOPE], request=request
            )
        else:
            found, _ = google.auth.default(scopes=[GOOGLE_SCOPE], request=request)
        return found

    def _request(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Any = None,
        timeout: float | None = None,
        **more: Any,
    ) -> Any:
        from google.auth.transport.requests import Request

        if url.startswith("https://cloudresourcemanager."):
            # A federation is asked for its project, which nobody here wants to know.
            return _NoAnswer()
        # The library would wait two minutes.
        seconds = min(timeout or REQUEST_SECONDS, REQUEST_SECONDS)
        return Request()(url, method, body, headers, seconds, **more)

    def _tried(self) -> str:
        file = self._config.credentials_file
        default = "GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server of workload identity"
        return str(file) if file else default


class _NoAnswer:
    status, data = 404, b"{}"
    headers: Mapping[str, str] = {}


_GOOGLE_KINDS = {
    "service_account": "its key",
    "credentials": "the metadata server (workload identity) or a person's sign-in",
    "identity_pool": "workload identity federation",
    "impersonated_credentials": "impersonation",
}


class AzureTokens(TokenSource):
    """Tokens of a managed or a workload identity."""

    needs = "the role Monitoring Data Reader on the Azure Monitor workspace"

    def __init__(self, config: AzureAd) -> None:
        self._config = config
        self._credential: Any = None

    def token(self) -> tuple[str, float]:
        from azure.core.exceptions import AzureError

        try:
            if self._credential is None:
                self._credential = self._find()
            found = self._credential.get_token(self._config.scope or _AZURE[self._config.cloud][1])
        except (AzureError, OSError, ValueError) as error:
            raise ProviderError(f"Azure gave no token for the {self._named()}: {_said(error)}") from None
        return str(found.token), found.expires_on - time.time()

    def description(self) -> str:
        return f"Azure {self._named()}"

    def _find(self) -> Any:
        from azure.identity import ManagedIdentityCredential, WorkloadIdentityCredential

        limits: dict[str, Any] = {
            "connection_timeout": REQUEST_SECONDS,
            "read_timeout": REQUEST_SECONDS,
            "retry_total": 1,
        }
        if self._config.cloud != "AzurePublic":
            limits["authority"] = _AZURE[self._config.cloud][0]
        if self._config.managed_identity:
            return ManagedIdentityCredential(client_id=self._config.managed_identity.client_id, **limits)
        wanted = self._config.workload_identity
        assert wanted is not None
        file = str(wanted.token_file_path) if wanted.token_file_path else None
        # One authority is asked and no other, as the webhook has named it.
        return WorkloadIdentityCredential(
            client_id=wanted.client_id,
            tenant_id=wanted.tenant_id,
            token_file_path=file,
            disable_instance_discovery=True,
            **limits,
        )

    def _named(self) -> str:
        if wanted := self._config.workload_identity:
            client = wanted.client_id or os.environ.get("AZURE_CLIENT_ID", "(AZURE_CLIENT_ID is not set)")
            tenant = wanted.tenant_id or os.environ.get("AZURE_TENANT_ID", "(AZURE_TENANT_ID is not set)")
            return f"workload identity of client {client} in tenant {tenant}"
        assert self._config.managed_identity is not None
        client_id = self._config.managed_identity.client_id
        return f"managed identity of client {client_id}" if client_id else "managed identity of the node"
