"""The collector signs in to managed Prometheus as what it is: a server verifies what came by each way."""

import asyncio
import base64
import json
import os
import re
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from serinus_collector.adapters.clouds.aws import AwsIdentity
from serinus_collector.adapters.clouds.identity import EARLY_SECONDS, TokenIdentity, TokenSource
from serinus_collector.adapters.prometheus import Prometheus
from serinus_collector.adapters.provider_auth import ProviderAuth, make_client
from serinus_collector.adapters.tokens import RETRY_SECONDS
from serinus_collector.config import providers
from serinus_collector.config.providers import read_providers
from serinus_collector.use_cases.ports import ProviderError
from serinus_contracts import Selector
from serinus_runtime.documents import DocumentError

from tests.certificates import write_certificates
from tests.clouds import ACCOUNT, REGION, Cloud
from tests.servers import served

pytestmark = pytest.mark.anyio
SUBJECT = "system:serviceaccount:serinus:serinus-collector"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ROLE = "arn:aws:iam::123456789012:role/serinus"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-env-planted"}


def minted(subject: str) -> str:
    """A service account's token, as the cluster's issuer signs it."""
    parts = [{"alg": "RS256", "typ": "JWT"}, {"sub": subject, "exp": int(time.time()) + 600}]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = KEY.sign(text, PKCS1v15(), SHA256())
    return b".".join((text, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


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


class Reached:
    """One provider, and its sign-in."""

    def __init__(self, prometheus: Prometheus, auth: ProviderAuth) -> None:
        self.prometheus, self.auth = prometheus, auth

    async def ask(self) -> None:
        odd = Selector.parse('requests{path=~"/a b\\\\+ü|~"}')
        (await self.prometheus.samples(odd, 1_000, 1)).read()

    async def identity(self) -> str:
        found = await self.auth.identity()
        assert found is not None
        return found


Made = Callable[..., Reached]


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


async def until(reached: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0.01)
    assert reached(), what


async def refused(provider: Reached) -> str:
    with pytest.raises(ProviderError) as error:
        await provider.ask()
    assert "planted" not in str(error.value)
    return str(error.value)


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


def irsa(monkeypatch: pytest.MonkeyPatch, url: str, token_file: str) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token_file)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)


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


async def test_azure_without_its_webhook_says_what_is_missing(url: str, reached: Made) -> None:
    said = await refused(reached(url, azuread={"workload_identity": {}}))
    assert said.startswith(
        "Azure gave no token for the workload identity of client (AZURE_CLIENT_ID is not set) in tenant "
        "(AZURE_TENANT_ID is not set): "
    )


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
        ({"google_iam": {}}, "google.auth", "pip install 'serinus-collector[google]'"),
        ({"azuread": {"managed_identity": {}}}, "azure.identity", "pip install 'serinus-collector[azure]'"),
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
