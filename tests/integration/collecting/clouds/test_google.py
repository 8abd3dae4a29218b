"""The collector signs in to Google as what it is."""

import json
from pathlib import Path

import pytest

from tests.clouds import ACCOUNT, Cloud
from tests.integration.collecting.clouds.signing import (
    PEM,
    SUBJECT,
    Made,
    refused,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "5",
        "null",
        '"x"',
        '{"type": "impersonated_service_account"}',
        '{"type": "impersonated_service_account", "service_account_impersonation_url": 5, "source_credentials": []}',
        '{"type": "external_account", "audience": "//iam.googleapis.com/x", "credential_source": []}',
        '{"type": "service_account", "client_email": "a", "token_uri": "b", "private_key": ["of-file-planted"]}',
        '{"type": "service_account", "client_email": "a", "token_uri": "b", "private_key": "of-file-planted"}',
    ],
)
@pytest.mark.parametrize("by", ["file", "environment"])
async def test_a_file_of_google_that_is_json_and_nothing_google_knows_is_named(
    text: str, by: str, url: str, reached: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "odd.json"
    file.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    said = await refused(reached(url, google_iam={"credentials_file": "odd.json"} if by == "file" else {}))
    assert said.startswith("Google gave no token (tried ")
    assert str(file) in said


async def test_a_file_of_google_that_is_mended_is_read_anew(
    cloud: Cloud, url: str, reached: Made, tmp_path: Path
) -> None:
    key = {"type": "service_account", "client_email": ACCOUNT, "private_key": PEM, "token_uri": f"{url}/nowhere"}
    (tmp_path / "key.json").write_text(json.dumps(key))
    provider = reached(url, google_iam={"credentials_file": "key.json"})
    await refused(provider)
    (tmp_path / "key.json").write_text(json.dumps(key | {"token_uri": f"{url}/google/token"}))
    await provider.ask()
    assert len(cloud.given) == 1


async def test_a_key_of_googles_service_account_signs_for_a_token(
    cloud: Cloud, url: str, reached: Made, tmp_path: Path
) -> None:
    key = {"type": "service_account", "client_email": ACCOUNT, "private_key": PEM, "token_uri": f"{url}/google/token"}
    (tmp_path / "key.json").write_text(json.dumps(key | {"private_key_id": "1", "project_id": "shop"}))
    provider = reached(url, google_iam={"credentials_file": "key.json"})
    await provider.ask()
    await provider.ask()
    assert cloud.given == [f"{ACCOUNT} for https://www.googleapis.com/auth/monitoring.read"]
    assert await provider.identity() == f"Google {ACCOUNT}, by its key"


async def test_a_federated_workload_changes_its_token_for_one_of_google(
    cloud: Cloud, url: str, reached: Made, tmp_path: Path, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/google/sts",
        "credential_source": {"file": token_file},
    }
    (tmp_path / "federation.json").write_text(json.dumps(federation))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "federation.json"))
    provider = reached(url, google_iam={})
    await provider.ask()
    assert cloud.given == [f"{SUBJECT} for https://www.googleapis.com/auth/monitoring.read"]
    assert await provider.identity() == "Google identity, by workload identity federation"


async def test_workload_identity_of_google_comes_from_the_metadata_server(
    cloud: Cloud, url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.auth.compute_engine import _metadata

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", url.removeprefix("http://"))
    monkeypatch.setenv("GCE_METADATA_IP", url.removeprefix("http://"))
    provider = reached(url, google_iam={})
    await provider.ask()
    assert cloud.given == ["metadata server"]
    assert (await provider.identity()).startswith(f"Google {ACCOUNT}, by the metadata server (workload identity)")


async def test_without_credentials_of_google_the_sentence_says_what_was_tried(
    url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.auth.compute_engine import _metadata

    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
    monkeypatch.setattr(_metadata, "is_on_gce", lambda *_: False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    said = await refused(reached(url, google_iam={}))
    assert said.startswith(
        "Google gave no token (tried GOOGLE_APPLICATION_CREDENTIALS=/nowhere.json, gcloud's file, the metadata server"
    )
