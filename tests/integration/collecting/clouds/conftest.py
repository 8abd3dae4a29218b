"""One faked cloud at an address, and providers that sign in to it."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus_collecting.prometheus import Prometheus
from serinus_collecting.provider_auth import ProviderAuth, make_client
from serinus_collecting.providers import read_providers

from tests.clouds import Cloud
from tests.integration.collecting.clouds.signing import (
    KEY,
    SUBJECT,
    Made,
    Reached,
    minted,
)
from tests.servers import served


@pytest.fixture(autouse=True)
def nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "GCE_", "CLOUDSDK_", "IDENTITY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(key=KEY.public_key())


@pytest.fixture
def url(cloud: Cloud) -> Iterator[str]:
    with served(cloud.app) as address:
        yield address


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(minted(SUBJECT))
    return str(file)


@pytest.fixture
async def reached(tmp_path: Path) -> AsyncIterator[Made]:
    async with AsyncExitStack() as stack:

        def make(url: str, **fields: Any) -> Reached:
            file = tmp_path / "providers.yaml"
            file.write_text(yaml.safe_dump({"providers": {"main": {"url": url, **fields}}}))
            provider = read_providers(file)["main"]
            http = make_client(provider, connections=4, timeout=5)
            stack.push_async_callback(http.aclose)
            assert isinstance(http.auth, ProviderAuth)
            return Reached(Prometheus(http, str(provider.url), timeout=20), http.auth)

        yield make
