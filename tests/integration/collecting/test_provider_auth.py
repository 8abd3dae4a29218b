"""Credentials, certificates and headers reach a provider over real HTTP; no secret is ever told."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml
from serinus_collecting.ports import ProviderError
from serinus_collecting.prometheus import Prometheus
from serinus_collecting.provider_auth import ClientCredentials, make_client
from serinus_collecting.providers import OAuth2, read_providers
from serinus_collecting.tokens import EARLY_SECONDS, Tokens
from serinus_collector.config.settings import CollectorSettings
from serinus_contracts import Selector
from serinus_runtime.documents import DocumentError
from serinus_runtime.settings import load
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.certificates import write_certificates
from tests.servers import served

pytestmark = pytest.mark.anyio
SECRET = "s3cr3t-Planted"
EMPTY = {"status": "success", "data": {"resultType": "matrix", "result": []}}


@dataclass
class Gate:
    """A Prometheus without data that lets in who says the right things, and the token endpoint beside it."""

    url: str = ""
    wanted: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    granted: list[dict[str, Any]] = field(default_factory=list)
    tokens_by: str = "header"
    echoes: bool = False
    lifetime: float | None = 3600

    async def query(self, request: Request) -> Response:
        self.asked.append(dict(request.headers))
        if any(request.headers.get(name) != value for name, value in self.wanted.items()):
            if self.echoes:
                said = " ".join(request.headers.get(name, "") for name in ("authorization", "x-key"))
                return JSONResponse(
                    {"status": "error", "errorType": "entry", "error": f"no entry by {said}; {SECRET}"}, 401
                )
            return Response("no entry", 401)
        return JSONResponse(EMPTY)

    async def proxied(self, request: Request, _: Exception) -> Response:
        if request.url.path.startswith("/elsewhere"):
            self.asked.append(dict(request.headers))
            return RedirectResponse(f"{self.url}/api/v1/query", 307)
        return await self.query(request)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        by = "body" if "client_secret" in form else "header"
        if by != self.tokens_by:
            return JSONResponse({"error": "invalid_client", "error_description": f"not {SECRET}"}, 401)
        self.granted.append(form | {"header": request.headers.get("authorization", "")})
        token = {"access_token": f"token-{len(self.granted)}", "token_type": "Bearer"}
        return JSONResponse(token | ({} if self.lifetime is None else {"expires_in": self.lifetime}))


@contextlib.contextmanager
def serving(gate: Gate, **tls: Any) -> Iterator[Gate]:
    routes = [Route("/api/v1/query", gate.query, methods=["POST"]), Route("/token", gate.token, methods=["POST"])]
    app = Starlette(routes=routes)
    # A proxy is asked for a whole address, for which there are no routes.
    app.add_exception_handler(404, gate.proxied)
    with served(app, **tls) as gate.url:
        yield gate


@pytest.fixture
def gate() -> Iterator[Gate]:
    with serving(Gate()) as made:
        yield made


Made = Callable[..., Prometheus]


@pytest.fixture
async def reached(tmp_path: Path) -> AsyncIterator[Made]:
    async with contextlib.AsyncExitStack() as stack:

        def make(url: str, **fields: Any) -> Prometheus:
            file = tmp_path / "providers.yaml"
            file.write_text(yaml.safe_dump({"providers": {"main": {"url": url, **fields}}}))
            provider = read_providers(file)["main"]
            http = make_client(provider, connections=4, timeout=5)
            stack.push_async_callback(http.aclose)
            return Prometheus(http, str(provider.url), timeout=5, compression=provider.compression)

        yield make


async def ask(provider: Prometheus) -> None:
    assert (await provider.samples(Selector(name="up"), 1_000_000, 1_000)).read().series == []


@pytest.mark.parametrize(("fields", "asked"), [({}, "identity"), ({"compression": "gzip"}, "gzip")])
async def test_answers_are_compressed_where_the_provider_says_so_alone(
    gate: Gate, reached: Made, fields: dict[str, str], asked: str
) -> None:
    gate.wanted = {"accept-encoding": asked}
    await ask(reached(gate.url, **fields))


async def test_a_password_of_a_file_is_sent_and_read_anew_when_it_changes(
    gate: Gate, reached: Made, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("one\n")
    provider = reached(gate.url, basic_auth={"username": "serinus", "password_file": "password"})
    gate.wanted = {"authorization": "Basic c2VyaW51czpvbmU="}
    await ask(provider)
    (tmp_path / "password").write_text("two\n")
    with pytest.raises(ProviderError, match="HTTP 401 without its JSON: it wants other credentials"):
        await ask(provider)
    gate.wanted = {"authorization": "Basic c2VyaW51czp0d28="}
    await ask(provider)


async def test_credentials_and_headers_are_sent_as_prometheus_sends_them(
    gate: Gate, reached: Made, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "tenant").write_text("shop")
    gate.wanted = {"authorization": f"Bearer {SECRET}", "x-scope-orgid": "shop", "x-both": "a, b"}
    headers = {"X-Scope-OrgID": {"files": ["tenant"]}, "X-Both": {"values": ["a"], "secrets": ["b"]}}
    await ask(reached(gate.url, authorization={"credentials_file": "token"}, http_headers=headers))
    gate.wanted = {"authorization": "Api-Key abc"}
    await ask(reached(gate.url, authorization={"type": "Api-Key", "credentials": "abc"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"basic_auth": {"username": "serinus", "password": SECRET}},
        {"authorization": {"credentials": SECRET}},
        {"http_headers": {"X-Key": {"secrets": [SECRET]}}},
    ],
)
async def test_a_secret_that_the_provider_says_back_is_not_repeated(
    gate: Gate, reached: Made, fields: dict[str, Any]
) -> None:
    gate.wanted, gate.echoes = {"x-tenant": "another"}, True
    with pytest.raises(ProviderError) as error:
        await ask(reached(gate.url, **fields))
    sent = gate.asked[-1].get("authorization", "").partition(" ")[2]
    assert "no entry by" in str(error.value)
    assert SECRET not in str(error.value)
    assert not sent or sent not in str(error.value)


async def test_a_proxy_of_the_environment_is_gone_by_but_not_to_hosts_that_it_is_not_for(
    gate: Gate, reached: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", gate.url)
    monkeypatch.setenv("no_proxy", "direct.example.com")
    await ask(reached("http://prometheus.example.com"))
    assert gate.asked[-1]["host"] == "prometheus.example.com"
    with pytest.raises(ProviderError, match="is not reachable"):
        await ask(reached("http://direct.example.com:9"))


async def test_a_provider_that_leads_elsewhere_is_not_followed(gate: Gate, reached: Made) -> None:
    with pytest.raises(ProviderError, match="HTTP 307"):
        await ask(reached(f"{gate.url}/elsewhere"))
    assert len(gate.asked) == 1


@pytest.mark.parametrize("tokens_by", ["header", "body"])
async def test_an_oauth2_token_is_fetched_once_for_many_queries(gate: Gate, reached: Made, tokens_by: str) -> None:
    gate.tokens_by, gate.wanted = tokens_by, {"authorization": "Bearer token-1"}
    oauth2 = {"client_id": "serinus", "client_secret": SECRET, "token_url": f"{gate.url}/token"}
    provider = reached(gate.url, oauth2={**oauth2, "scopes": ["a", "b"], "endpoint_params": {"audience": "prom"}})
    for _ in range(3):
        await ask(provider)
    (granted,) = gate.granted
    assert (granted["grant_type"], granted["scope"], granted["audience"]) == ("client_credentials", "a b", "prom")
    assert granted.get("client_id") == (None if tokens_by == "header" else "serinus")


async def test_a_token_that_is_refused_is_fetched_anew(gate: Gate, reached: Made) -> None:
    oauth2 = {"client_id": "serinus", "client_secret": SECRET, "token_url": f"{gate.url}/token"}
    provider = reached(gate.url, oauth2=oauth2)
    await ask(provider)
    gate.wanted = {"authorization": "Bearer token-2"}
    await ask(provider)
    assert len(gate.granted) == 2


async def test_a_token_is_renewed_shortly_before_it_ends(gate: Gate) -> None:
    now = [0.0]
    config = OAuth2.model_validate({"client_id": "x", "client_secret": SECRET, "token_url": f"{gate.url}/token"})
    tokens = Tokens(ClientCredentials(config, timeout=5), clock=lambda: now[0])
    gate.lifetime = 60
    assert [await tokens.token(), await tokens.token()] == ["token-1", "token-1"]
    now[0] = 60 - EARLY_SECONDS
    gate.lifetime = None
    assert await tokens.token() == "token-1", "it is good still, and the other one is fetched beside"
    async with asyncio.timeout(60):
        while await tokens.token() != "token-2":
            await asyncio.sleep(0.01)
    assert len(gate.granted) == 2
    now[0] = 1e9
    assert await tokens.token() == "token-2", "one that does not say when it ends is used until it is refused"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities in folders of their own, each with a server's and a client's certificate for prometheus.test."""
    folder = tmp_path_factory.mktemp("certificates")
    for number in ("1", "2"):
        (folder / number).mkdir()
        write_certificates(folder / number, "prometheus.test")
    return folder


@contextlib.contextmanager
def serving_tls(folder: Path, number: str) -> Iterator[Gate]:
    files = {"ssl_certfile": "server.crt", "ssl_keyfile": "server.key", "ssl_ca_certs": "ca.crt"}
    own = {option: str(folder / number / file) for option, file in files.items()}
    with serving(Gate(), **own, ssl_cert_reqs=ssl.CERT_REQUIRED) as gate:
        yield gate


async def test_a_server_and_a_client_know_each_other_by_certificates_that_rotate(
    certificates: Path, reached: Made, tmp_path: Path
) -> None:
    def put(number: str) -> None:
        for name, source in (("ca", "ca.crt"), ("crt", "client.crt"), ("key", "client.key")):
            (tmp_path / f"{name}.new").write_bytes((certificates / number / source).read_bytes())
            (tmp_path / f"{name}.new").replace(tmp_path / name)

    put("1")
    tls = {"ca_file": "ca", "cert_file": "crt", "key_file": "key", "server_name": "prometheus.test"}
    with serving_tls(certificates, "1") as gate:
        provider = reached(gate.url, tls_config=tls)
        await ask(provider)
        put("2")
        with pytest.raises(ProviderError, match=r"not reachable: .*certificate"):
            await ask(provider)
        put("1")
        await ask(provider)
        (tmp_path / "key").write_bytes((certificates / "2/client.key").read_bytes())
        with pytest.raises(ProviderError, match="tls_config cannot be used: KEY_VALUES_MISMATCH"):
            await ask(provider)


@pytest.mark.parametrize(
    ("tls", "sentence"),
    [
        ({}, "certificate"),
        ({"ca_file": "1/ca.crt"}, "IP address mismatch"),
        ({"ca_file": "2/ca.crt", "server_name": "prometheus.test"}, "certificate"),
        ({"insecure_skip_verify": True}, None),
    ],
)
async def test_a_server_that_cannot_be_trusted_gets_no_query(
    certificates: Path, reached: Made, tls: dict[str, Any], sentence: str | None
) -> None:
    found = tls | ({"ca_file": str(certificates / tls["ca_file"])} if "ca_file" in tls else {})
    with serving(Gate(), ssl_certfile=certificates / "1/server.crt", ssl_keyfile=certificates / "1/server.key") as gate:
        provider = reached(gate.url, tls_config=found)
        if sentence is None:
            await ask(provider)
            return
        with pytest.raises(ProviderError, match=f"not reachable: .*{sentence}"):
            await ask(provider)
        assert gate.asked == []


@pytest.mark.parametrize("planted", [SECRET, f"{SECRET}\nsecond line", f"{SECRET}ü", f"{SECRET}\x00"])
async def test_no_secret_is_in_any_log_or_error(
    gate: Gate, reached: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture, planted: str
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "secret").write_text(planted)
    gate.wanted = {"authorization": "never"}
    gate.tokens_by = "neither"
    ways: list[dict[str, Any]] = [
        {"basic_auth": {"username": "x", "password_file": "secret"}},
        {"authorization": {"credentials_file": "secret"}},
        {"authorization": {"credentials": planted}},
        {"http_headers": {"X-Key": {"files": ["secret"]}}},
        {"http_headers": {"X-Key": {"secrets": [planted]}}},
        {"oauth2": {"client_id": "x", "client_secret_file": "secret", "token_url": f"{gate.url}/token"}},
    ]
    for way in ways:
        with pytest.raises(ProviderError) as failed:
            await ask(reached(gate.url, **way))
        assert SECRET not in str(failed.value) + str(failed.getrepr(style="short")), way
    assert SECRET not in caplog.text


async def test_a_secret_that_has_gone_is_named_by_its_file(gate: Gate, reached: Made, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    provider = reached(gate.url, authorization={"credentials_file": "secret"})
    (tmp_path / "secret").unlink()
    with pytest.raises(ProviderError, match=r"the secret in .*/secret cannot be read: No such file"):
        await ask(provider)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("url: https://p, basic_auth: {username: x, password_file: SECRET}", "1:77: providers.main.basic_auth.pass"),
        ("url: https://p, basic_auth: {username: x}", "1:48: providers.main.basic_auth: give exactly one of: pass"),
        ("url: https://p, basic_uth: {password: SECRET}", "unknown key: did you mean basic_auth?"),
        ("url: https://p, basic_auth: {usernam: x, password: SECRET}", "unknown key: did you mean username?"),
        ("url: https://p, authorization: {type: Basic, credentials: SECRET}", "type Basic is written as basic_auth"),
        ("url: 'https://x:SECRET@p'", "1:25: providers.main.url: an address holds no credentials"),
        ("url: 'SECRET'", "1:25: providers.main.url: Input should be a valid URL"),
        ("url: http://p, tls_config: {server_name: q}", "tls_config needs an address that begins with https://"),
        ("url: https://p, http_headers: {Host: {values: [SECRET]}}", "http_headers cannot set Host"),
        ("url: https://p, authorization: {credentials: *SECRET}", "no YAML: found undefined alias"),
        ("url: https://p, authorization: {credentials: !SECRET x}", "no YAML: could not determine a constructor"),
        ("url: https://p, authorization: {credentials: [SECRET]}", "credentials: Input should be a valid string"),
        (
            "url: https://p, authorization: {credentials: a}, basic_auth: {username: x, password: SECRET}",
            "give at most one of: basic_auth, authorization, oauth2",
        ),
        ("url: https://p, tls_config: {cert_file: providers.yaml}", "cert_file and key_file belong together"),
    ],
)
async def test_a_wrong_file_is_refused_at_its_place_without_its_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(f"providers: {{main: {{{text.replace('SECRET', SECRET)}}}}}")
    with pytest.raises(DocumentError) as refused:
        read_providers(file)
    assert complaint in str(refused.value)
    monkeypatch.setenv("SERINUS_PROVIDERS_FILE", str(file))
    with pytest.raises(SystemExit) as ended:
        load(CollectorSettings, "collector", [])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert complaint in told
    assert SECRET not in told + str(refused.value)


@pytest.mark.parametrize("value", [f"main=http://x:{SECRET}@p", f"main=http://x:{SECRET} y@[p", SECRET])
async def test_credentials_in_a_plain_address_are_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SERINUS_PROVIDERS", value)
    with pytest.raises(SystemExit):
        load(CollectorSettings, "collector", [])
    told = capsys.readouterr().err
    assert "SERINUS_PROVIDERS: " in told
    assert SECRET not in told


async def test_what_the_file_says_of_a_name_counts_and_the_default_only_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def addresses() -> dict[str, str]:
        return {name: str(one.url) for name, one in CollectorSettings().reached.items()}

    assert addresses() == {"main": "http://127.0.0.1:9090/"}
    (tmp_path / "providers.yaml").write_text("providers: {eu: {url: 'https://eu'}}")
    monkeypatch.setenv("SERINUS_PROVIDERS_FILE", str(tmp_path / "providers.yaml"))
    assert addresses() == {"eu": "https://eu/"}
    monkeypatch.setenv("SERINUS_PROVIDERS", "us=http://us,eu=http://other")
    assert addresses() == {"us": "http://us/", "eu": "https://eu/"}
