"""What holds of a sign-in to any cloud."""

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus_collecting import providers
from serinus_collecting.clouds.identity import EARLY_SECONDS, TokenIdentity, TokenSource
from serinus_collecting.ports import ProviderError
from serinus_collecting.providers import read_providers
from serinus_collecting.tokens import RETRY_SECONDS
from serinus_runtime.documents import DocumentError

from tests.clouds import Cloud
from tests.integration.collecting.clouds.signing import (
    Made,
    irsa,
    refused,
    until,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("way", ["aws", "azure"])
async def test_credentials_that_a_provider_says_back_are_not_repeated(
    way: str, cloud: Cloud, url: str, reached: Made, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    irsa(monkeypatch, url, token_file)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
    cloud.forbids, cloud.echoes = True, True
    said = await refused(reached(url, **({"sigv4": {}} if way == "aws" else {"azuread": {"managed_identity": {}}})))
    assert "you sent ***" in said
    assert not re.search(r"session-\d|Bearer|[0-9a-f]{64}", said)


class Source(TokenSource):
    """Gives tokens that live so long, or none."""

    needs = "nothing"

    def __init__(self) -> None:
        self.given, self.away = 0, False

    def token(self) -> tuple[str, float]:
        if self.away:
            raise ProviderError("away")
        self.given += 1
        return f"token-{self.given}", 600

    def forget(self) -> None:
        self.given += 10

    def description(self) -> str:
        return "somebody"


async def test_a_token_is_renewed_before_it_ends_and_kept_to_its_end_where_nobody_gives_another() -> None:
    import httpx

    source, now, request = Source(), [0.0], httpx.Request("POST", "http://prometheus")
    identity = TokenIdentity(source, lambda: now[0])

    async def shown() -> str:
        await identity.authorize(request)
        return request.headers["Authorization"]

    assert [await shown(), await shown()] == ["Bearer token-1"] * 2
    now[0] = 600 - EARLY_SECONDS
    source.away = True
    assert await shown() == "Bearer token-1"
    source.away = False
    now[0] += RETRY_SECONDS
    await shown()
    await until(lambda: source.given == 2, "a renewal beside it")
    assert await shown() == "Bearer token-2"
    source.away = True
    now[0] += 600
    with pytest.raises(ProviderError, match="away"):
        await shown()


@pytest.mark.parametrize(
    ("fields", "module", "sentence"),
    [
        ({"sigv4": {}}, "botocore", "sigv4 needs the extra aws of the collector"),
        ({"google_iam": {}}, "google.auth", "pip install 'serinus-collecting[google]'"),
        ({"azuread": {"managed_identity": {}}}, "azure.identity", "pip install 'serinus-collecting[azure]'"),
    ],
)
def test_without_its_library_a_sign_in_is_refused_with_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], module: str, sentence: str
) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda name: None if name == module else ssl)
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"main": {"url": "https://prometheus.test", **fields}}}))
    with pytest.raises(DocumentError, match=r"providers\.main") as error:
        read_providers(file)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"sigv4": {}, "google_iam": {}}, "give at most one of: basic_auth, authorization, oauth2, sigv4, google_iam"),
        ({"azuread": {}}, "exactly one of: managed_identity, workload_identity"),
        ({"google_iam": {"credentials_file": "none"}}, "names no file that can be read"),
    ],
)
def test_a_sign_in_that_cannot_be_is_refused_at_its_place(
    tmp_path: Path, fields: dict[str, Any], sentence: str
) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"main": {"url": "https://prometheus.test", **fields}}}))
    with pytest.raises(DocumentError) as error:
        read_providers(file)
    assert sentence in str(error.value)
