"""The collector signs in to Azure as what it is."""

from pathlib import Path

import pytest

from tests.certificates import write_certificates
from tests.clouds import Cloud
from tests.integration.collecting.clouds.signing import (
    SUBJECT,
    Made,
    refused,
)
from tests.servers import served

pytestmark = pytest.mark.anyio


async def test_workload_identity_of_azure_changes_the_service_accounts_token_for_one_of_entra(
    cloud: Cloud, url: str, reached: Made, tmp_path: Path, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificates(tmp_path, "127.0.0.1")
    tls = {"ssl_certfile": tmp_path / "server.crt", "ssl_keyfile": tmp_path / "server.key"}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("AZURE_CLIENT_ID", "client-1")
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", token_file)
    with served(cloud.app, **tls) as authority:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority)
        provider = reached(url, azuread={"workload_identity": {}})
        await provider.ask()
        await provider.ask()
    assert cloud.given == [f"client-1 to {SUBJECT} for https://prometheus.monitor.azure.com/.default"]
    assert await provider.identity() == "Azure workload identity of client client-1 in tenant tenant"


async def test_a_managed_identity_of_azure_comes_from_the_nodes_server(
    cloud: Cloud, url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
    provider = reached(url, azuread={"managed_identity": {"client_id": "client-2"}, "cloud": "AzureGovernment"})
    await provider.ask()
    assert cloud.given == ["managed client-2 for https://prometheus.monitor.azure.us"]
    assert await provider.identity() == "Azure managed identity of client client-2"


async def test_a_token_of_azure_that_is_refused_is_asked_for_anew_and_not_given_again_from_a_cache(
    cloud: Cloud, url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
    provider = reached(url, azuread={"managed_identity": {}})
    await provider.ask()
    cloud.tokens.clear()
    await provider.ask()
    assert len(cloud.given) == 2


async def test_azure_without_its_webhook_says_what_is_missing(url: str, reached: Made) -> None:
    said = await refused(reached(url, azuread={"workload_identity": {}}))
    assert said.startswith(
        "Azure gave no token for the workload identity of client (AZURE_CLIENT_ID is not set) in tenant "
        "(AZURE_TENANT_ID is not set): "
    )
