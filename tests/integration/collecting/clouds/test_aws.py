"""The collector signs in to AWS as what it is: a server verifies what came by each way."""

import sys
import threading
from pathlib import Path

import pytest
from serinus_collecting import providers
from serinus_collecting.clouds.aws import AwsIdentity

from tests.clouds import REGION, Cloud
from tests.integration.collecting.clouds.signing import (
    ENVIRONMENT,
    ROLE,
    SUBJECT,
    Made,
    irsa,
    refused,
    until,
)

pytestmark = pytest.mark.anyio


async def test_the_environments_keys_of_aws_sign_each_request(
    cloud: Cloud, url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.secrets["AKIAEXAMPLE"] = ("of-env-planted", "")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    provider = reached(f"{url}/workspaces/ws-1", sigv4={"region": REGION})
    await provider.ask()
    await provider.ask()
    assert cloud.asked == 2
    assert await provider.identity() == f"AWS access key AKIAEXAMPLE, by the environment, in {REGION}"


async def test_a_profile_of_awss_files_signs_too_in_its_region(
    cloud: Cloud, url: str, reached: Made, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(f"[profile shop]\nregion = {REGION}\n")
    keys = "[shop]\naws_access_key_id = AKIASHOP\naws_secret_access_key = of-file-planted\n"
    (tmp_path / ".aws" / "credentials").write_text(keys)
    cloud.secrets["AKIASHOP"] = ("of-file-planted", "")
    provider = reached(url, sigv4={"profile": "shop"})
    await provider.ask()
    assert await provider.identity() == f"AWS access key AKIASHOP, by the file of credentials, in {REGION}"
    missing = reached(url, sigv4={"profile": "shoe", "region": REGION})
    assert "profile shoe" in await refused(missing)


async def test_a_service_accounts_role_is_taken_once_and_renewed_before_it_ends(
    cloud: Cloud, url: str, reached: Made, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    irsa(monkeypatch, url, token_file)
    provider = reached(url, sigv4={})
    await provider.ask()
    await provider.ask()
    assert cloud.given == [f"{ROLE} to {SUBJECT}"]
    assert (await provider.identity()).startswith(f"AWS role {ROLE}, access key ASIA")
    assert (await provider.identity()).endswith("by web identity (IRSA), in eu-central-1")
    cloud.lifetime = 300
    short = reached(url, sigv4={})
    await short.ask()
    before = len(cloud.given)
    await short.ask()
    await until(lambda: len(cloud.given) > before, "a renewal, since it has five minutes left")
    assert len(cloud.given) == before + 1


async def test_what_is_still_good_signs_at_once_while_aws_is_slow_or_away_and_to_its_end(
    cloud: Cloud, url: str, reached: Made, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    irsa(monkeypatch, url, token_file)
    cloud.lifetime = 300
    provider = reached(url, sigv4={})
    await provider.ask()
    given, cloud.away, cloud.held = len(cloud.given), True, threading.Event()
    for _ in range(3):
        await provider.ask()
    await until(lambda: len(cloud.given) > given, "a renewal beside these three")
    cloud.held.set()
    # Botocore would want others from ten minutes before the end on.
    await provider.ask()


async def test_awss_library_is_imported_beside_the_loop(
    cloud: Cloud, url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.secrets["AKIAEXAMPLE"] = ("of-env-planted", "")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "botocore.auth", raising=False)
    importers = []

    class Watch:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "botocore.auth":
                importers.append(threading.current_thread())

    monkeypatch.setattr(sys, "meta_path", [Watch(), *sys.meta_path])
    await reached(url, sigv4={"region": REGION}).ask()
    assert importers
    assert threading.current_thread() not in importers


async def test_pod_identity_is_asked_with_the_service_accounts_token(
    cloud: Cloud, url: str, reached: Made, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/v1/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file)
    provider = reached(url, sigv4={"region": REGION})
    await provider.ask()
    assert cloud.given == [f"pod of {SUBJECT}"]
    assert "by the container's credentials (Pod Identity)" in await provider.identity()


async def test_a_role_is_assumed_with_what_was_found(
    cloud: Cloud, url: str, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL_STS": url}).items():
        monkeypatch.setenv(name, value)
    provider = reached(url, sigv4={"region": REGION, "role_arn": ROLE})
    await provider.ask()
    assert cloud.given == [f"{ROLE} to serinus-collector"]
    assert f"AWS role {ROLE}" in await provider.identity()


async def test_without_credentials_of_aws_the_sentence_says_what_was_tried_and_what_to_give(
    url: str, reached: Made
) -> None:
    assert await refused(reached(url, sigv4={"region": REGION})) == (
        "no AWS credentials were found (tried the environment, AWS' files, web identity, container and instance): give "
        "the collector's service account a role (IRSA or Pod Identity), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
    assert "give sigv4.region, or AWS_REGION" in await refused(reached(url, sigv4={}))


async def test_a_role_that_does_not_trust_the_service_account_is_told_in_awss_words(
    cloud: Cloud, url: str, reached: Made, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    irsa(monkeypatch, url, token_file)
    cloud.away = True
    said = await refused(reached(url, sigv4={}))
    assert said.startswith("AWS gave no credentials (tried the environment,")
    assert "no trust in this subject" in said


async def test_an_identity_that_may_not_query_is_named_with_what_it_needs_and_is_not_looked_for_at_each_query(
    cloud: Cloud, url: str, reached: Made, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    irsa(monkeypatch, url, token_file)
    cloud.forbids = True
    provider = reached(url, sigv4={})
    said = [await refused(provider) for _ in range(3)][-1]
    assert said.startswith(f"the provider answered HTTP 403 to AWS role {ROLE}, access key ASIA")
    assert said.endswith(
        "is not authorized to perform: aps:QueryMetrics: it needs aps:QueryMetrics, as the policy "
        "AmazonPrometheusQueryAccess has it"
    )
    assert len(cloud.given) == 2, "the first, and one more in case that the first was revoked"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("aps-workspaces.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("aps-workspaces.eu-west-3.amazonaws.com", "eu-west-3"),
        ("aps-workspaces.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-0a1b.aps-workspaces.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("aps-workspaces.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("proxy.us-east-1.example.com", ""),
        ("my-us-east-1.example.com", ""),
        ("aps.us-east-1.amazonaws.com.example.com", ""),
        ("aps-us-east-1.amazonaws.com", ""),
    ],
)
def test_the_region_of_an_address_of_aws_is_the_one_that_is_signed_for(host: str, region: str) -> None:
    assert AwsIdentity(providers.SigV4(), host)._region == region
    assert AwsIdentity(providers.SigV4.model_validate({"region": REGION}), host)._region == REGION


async def test_files_that_a_clouds_library_cannot_read_are_one_sentence(
    url: str, reached: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "none"))
    said = await refused(reached(url, sigv4={"region": REGION}))
    assert said.startswith("AWS gave no credentials (tried ")
    assert said.endswith(f"No such file or directory: '{tmp_path / 'none'}'")
