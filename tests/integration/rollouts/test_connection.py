"""Credentials that do not last: what gives access is read again when the API server refuses it."""

import asyncio
import base64
import importlib
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from serinus_controller.adapters.mirror import Mirror, Resource
from serinus_rollouts.kubernetes import session as session_module
from serinus_rollouts.kubernetes.api import ROLLOUTS, Api, ClusterError, connect

from tests.simulated import World, rollout, scenario, simulated

pytestmark = pytest.mark.anyio
PATH = f"{ROLLOUTS}/namespaces/shop/rollouts"
# Gives the token that stands in a file, as clouds' plugins do, and notes that it was asked.
PLUGIN = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
with (folder / "asked").open("a") as asked:
    asked.write("x")
status = {"token": (folder / "token").read_text(), "expirationTimestamp": "2099-01-01T00:00:00Z"}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with simulated(tmp_path_factory.mktemp("world"), scenario(rollout())) as made:
        yield made


@pytest.fixture(autouse=True)
def healed(world: World) -> Iterator[None]:
    yield
    world.heal()


class Access:
    """A kubeconfig whose user has a token by one of the ways that there are, and how it is exchanged."""

    def __init__(self, world: World, folder: Path, way: str) -> None:
        self.kubeconfig, self._folder, self._way = folder / "kubeconfig", folder, way
        self._config = yaml.safe_load(world.kubeconfig.read_text())
        (folder / "plugin.py").write_text(PLUGIN)
        self.give("old")

    def give(self, token: str) -> None:
        (self._folder / "token").write_text(token)
        plugin = {"command": sys.executable, "args": [str(self._folder / "plugin.py"), str(self._folder)]}
        users: dict[str, dict[str, Any]] = {
            "token": {"token": token},
            "tokenFile": {"tokenFile": "token"},
            "exec": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", **plugin}},
        }
        self._config["users"] = [{"name": one["name"], "user": users[self._way]} for one in self._config["users"]]
        self.kubeconfig.write_text(yaml.safe_dump(self._config))

    @property
    def asked(self) -> int:
        return len((self._folder / "asked").read_text())


@pytest.mark.parametrize("way", ["token", "tokenFile", "exec"])
async def test_a_token_that_has_been_exchanged_is_read_again_as_soon_as_the_old_one_is_refused(
    world: World, tmp_path: Path, way: str
) -> None:
    access = Access(world, tmp_path, way)
    async with await connect(str(access.kubeconfig), "") as connection:
        api = Api(connection, timeout=30)
        mirror = Mirror(api, Resource(ROLLOUTS, "rollouts"), "shop")
        await mirror.list()
        for old, new in (("old", "newer"), ("newer", "newest")):
            access.give(new)
            world.fault(target="kubernetes", effect="status", code=401, token=old)
            await until_it_passes(api)
            async for change in mirror.watch(1):  # which a refusal would end by an error
                assert change.type == "changed"


async def until_it_passes(api: Api) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await api.request("GET", PATH)
            except ClusterError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_the_first_exchange_costs_no_request(world: World, tmp_path: Path) -> None:
    access = Access(world, tmp_path, "token")
    async with await connect(str(access.kubeconfig), "") as connection:
        api = Api(connection, timeout=30)
        access.give("new")
        world.fault(target="kubernetes", effect="status", code=401, token="old")
        await api.request("GET", PATH)


async def test_a_token_that_stays_refused_is_told_with_its_file_and_a_plugin_is_not_asked_at_each_request(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(world, tmp_path, "exec")
    world.fault(target="kubernetes", effect="status", code=401, token="old")
    async with await connect(str(access.kubeconfig), "") as connection:
        api = Api(connection, timeout=30)
        for _ in range(20):
            with pytest.raises(ClusterError, match=f"401 .*the credentials of {access.kubeconfig} are refused") as told:
                await api.request("GET", PATH)
            assert told.value.status == 401
        assert access.asked <= 3
        assert (
            f"the API server refuses the credentials of {access.kubeconfig}, also as they are read again" in caplog.text
        )
        access.give("new")
        await until_it_passes(api)


async def test_a_file_that_cannot_be_read_again_is_named_until_it_can(world: World, tmp_path: Path) -> None:
    access = Access(world, tmp_path, "tokenFile")
    world.fault(target="kubernetes", effect="status", code=401, token="old")
    async with await connect(str(access.kubeconfig), "") as connection:
        api = Api(connection, timeout=30)
        access.kubeconfig.write_text("users: [")
        with pytest.raises(ClusterError, match=r"401 .*no access to a cluster: kubeconfig .*: while parsing a flow"):
            await api.request("GET", PATH)
        access.give("new\n")
        await until_it_passes(api)


async def test_without_a_kubeconfig_outside_of_a_cluster_it_is_said_what_to_set() -> None:
    with pytest.raises(ValueError, match="set KUBECONFIG, or run as a pod"):
        await connect("", "")
    with pytest.raises(ValueError, match="no access to a cluster: kubeconfig /nowhere/kubeconfig: No such file"):
        await connect("/nowhere/kubeconfig", "")


@pytest.mark.parametrize("text", ["", "[]", "clusters: 3", "{", "\0"])
async def test_a_kubeconfig_that_is_none_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(ValueError, match=f"no access to a cluster: kubeconfig {tmp_path}/kubeconfig: ."):
        await connect(str(tmp_path / "kubeconfig"), "")


@pytest.mark.parametrize(
    ("context", "cluster"),
    [
        ("elsewhere", {}),
        ("", {"certificate-authority": "missing.crt"}),
        ("", {"certificate-authority-data": base64.b64encode(b"x").decode()}),
    ],
)
async def test_a_kubeconfig_that_leads_nowhere_is_refused_with_its_name(
    world: World, tmp_path: Path, context: str, cluster: dict[str, str]
) -> None:
    access = Access(world, tmp_path, "token")
    document = yaml.safe_load(access.kubeconfig.read_text())
    document["clusters"][0]["cluster"] |= {"server": "https://api.example.com", **cluster}
    access.kubeconfig.write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match=f"no access to a cluster: kubeconfig {access.kubeconfig}: ."):
        await connect(str(access.kubeconfig), context)


async def test_a_pod_shows_the_token_that_it_has_now_to_the_server_of_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, seen = trustme.CA(), list[str]()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(tls)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    (tmp_path / "token").write_text("first\n")
    monkeypatch.setattr(session_module, "POD", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
    try:
        async with await connect("") as connection:
            api = Api(connection, timeout=30)
            assert await api.request("GET", "/version") == {}
            (tmp_path / "token").write_text("second")
            await api.request("GET", "/version")
    finally:
        server.shutdown()
        server.server_close()
    assert seen == ["Bearer first", "Bearer second"]


async def test_what_takes_seconds_to_import_is_imported_beside_the_loop(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importers = list[str]()

    def recorded(name: str) -> Any:
        importers.append(threading.current_thread().name)
        return importlib.import_module(name)

    monkeypatch.setattr(session_module, "import_module", recorded)
    async with await connect(str(Access(world, tmp_path, "token").kubeconfig)):
        assert importers
        assert threading.main_thread().name not in importers
