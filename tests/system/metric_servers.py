"""Metric servers that `make servers` builds, each as users run it; what is not built is skipped."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from time import sleep

import httpx
import pytest
import yaml

from tests.servers import free_port, prometheus_server, running, wait_until

Server = Callable[[Path, Path], AbstractContextManager[str]]
"""Of a folder and a configuration of Prometheus to the address that answers queries."""
DELAY_SECONDS = 2.0


def _built(name: str) -> str:
    folder = os.environ.get("SERINUS_TEST_SERVERS", ".servers")
    return shutil.which(name, path=folder) or pytest.skip(f"needs {name}: make servers")


def _address(port: int) -> str:
    return f"127.0.0.1:{port}"


@contextmanager
def victoria_metrics(folder: Path, config: Path) -> Iterator[str]:
    """VictoriaMetrics, single node, which scrapes by itself."""
    address = _address(free_port())
    command = [_built("victoria-metrics"), f"-promscrape.config={config}", f"-storageDataPath={folder / 'data'}",
               f"-httpListenAddr={address}", "-promscrape.fileSDCheckInterval=1s",
               "-promscrape.config.strictParse=false"]  # fmt: skip
    with running(command, folder / "server.log"):
        yield f"http://{address}"


@contextmanager
def prometheus_3(folder: Path, config: Path, *options: str, data: str = "storage.tsdb.path") -> Iterator[str]:
    """Prometheus 3, with such options."""
    address = _address(free_port())
    command = [_built("prometheus"), f"--config.file={config}", f"--{data}={folder / address / 'data'}",
               f"--web.listen-address={address}", *options]  # fmt: skip
    with running(command, folder / f"{address}.log"):
        yield f"http://{address}"


@contextmanager
def created_zeros(folder: Path, config: Path) -> Iterator[str]:
    """Prometheus 3 that stores a zero when a series was created."""
    with prometheus_3(folder, config, "--enable-feature=created-timestamp-zero-ingestion") as url:
        yield url


@contextmanager
def late_shards(folder: Path, config: Path) -> Iterator[str]:
    """An agent of Prometheus 3 that writes in four shards to another one, each write held up for some seconds."""
    receiving = folder / "receiver.yml"
    receiving.write_text("{}")
    with prometheus_3(folder, receiving, "--web.enable-remote-write-receiver") as url, _held_up(url) as slow:
        queue = {"min_shards": 4, "max_shards": 4, "max_samples_per_send": 500, "batch_send_deadline": "500ms"}
        writing = {"url": f"{slow}/api/v1/write", "queue_config": queue}
        scraping = yaml.safe_load(config.read_text())
        config.write_text(yaml.safe_dump({**scraping, "remote_write": [writing]}))
        with prometheus_3(folder, config, "--agent", data="storage.agent.path"):
            yield url


@contextmanager
def _held_up(url: str) -> Iterator[str]:
    draw, lock, port = Random(1), threading.Lock(), free_port()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                seconds = draw.uniform(0, DELAY_SECONDS)
            sleep(seconds)  # a slow store is what is tested
            answer = httpx.post(f"{url}{self.path}", content=body, headers=dict(self.headers), timeout=30)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{_address(port)}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def thanos(folder: Path, config: Path) -> Iterator[str]:
    """A querier of Thanos over one Prometheus 3 with its sidecar."""
    binary, ports = _built("thanos"), [_address(free_port()) for _ in range(4)]
    scraping = yaml.safe_load(config.read_text())
    scraping["global"]["external_labels"] = {"replica": "a"}
    config.write_text(yaml.safe_dump(scraping))
    # As a sidecar wants it: no compaction.
    blocks = ("--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h")
    with prometheus_3(folder, config, *blocks) as url:
        sidecar = [f"--prometheus.url={url}", f"--grpc-address={ports[0]}", f"--http-address={ports[1]}"]
        querier = [f"--endpoint={ports[0]}", f"--grpc-address={ports[2]}", f"--http-address={ports[3]}"]
        wait_until(lambda: _ready(url), 60, "Prometheus to be ready")
        with (
            running([binary, "sidecar", *sidecar, f"--tsdb.path={folder}"], folder / "sidecar.log"),
            running([binary, "query", *querier], folder / "query.log"),
        ):
            yield f"http://{ports[3]}"


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


SERVERS: dict[str, Server] = {
    "prometheus": prometheus_server,
    "prometheus-3": prometheus_3,
    "created-zeros": created_zeros,
    "late-shards": late_shards,
    "victoriametrics": victoria_metrics,
    "thanos": thanos,
}
