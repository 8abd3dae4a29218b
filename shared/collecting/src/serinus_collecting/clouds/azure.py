"""Tokens of Microsoft Entra, for Azure."""

import os
import time
from typing import Any

from serinus_collecting.clouds.identity import REQUEST_SECONDS, TokenSource, told
from serinus_collecting.providers import AzureAd

_AZURE = {
    "AzurePublic": ("login.microsoftonline.com", "https://prometheus.monitor.azure.com/.default"),
    "AzureGovernment": ("login.microsoftonline.us", "https://prometheus.monitor.azure.us/.default"),
    "AzureChina": ("login.partner.microsoftonline.cn", "https://prometheus.monitor.azure.cn/.default"),
}


class AzureTokens(TokenSource):
    """Tokens of a managed or a workload identity."""

    needs = "the role Monitoring Data Reader on the Azure Monitor workspace"

    def __init__(self, config: AzureAd) -> None:
        self._config = config
        self._credential: Any = None

    def token(self) -> tuple[str, float]:
        with told(lambda: f"Azure gave no token for the {self._named()}"):
            credential = self._credential = self._credential or self._find()
            found = credential.get_token(self._config.scope or _AZURE[self._config.cloud][1])
        return str(found.token), found.expires_on - time.time()

    def forget(self) -> None:
        # It would give its token again, from its cache.
        self._credential = None

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
