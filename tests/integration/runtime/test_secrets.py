"""Secrets that a service is given are in none of its logs and pages, whatever fails."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import httpx
import pytest
from serinus.demo.processes import ProcessGroup, process_group

from tests.forked import forked_group
from tests.servers import RedisServer, free_port, redis_binary, wait_until
from tests.topologies import started

PLANTED = "planted-5f1c"
Group = Callable[[Path], AbstractContextManager[ProcessGroup]]


@pytest.mark.parametrize("service", ["collector", "analyzer", "controller"])
@pytest.mark.parametrize(
    ("redis", "why", "group"),
    [
        ("away", "ConnectionError", process_group),  # as people start it: nothing is imported yet
        ("refuses", "AuthenticationError", forked_group),
    ],
)
def test_no_secret_is_told_by_a_service_whose_redis_is_away_or_refuses_it(
    service: str, redis: str, why: str, group: Group, tmp_path: Path
) -> None:
    (tmp_path / "kubeconfig").write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}],
                "users": [{"name": "u", "user": {"token": PLANTED}}],
            }
        )
    )
    (tmp_path / "policies").mkdir()
    server, port = RedisServer(redis_binary(), tmp_path, requirepass="another"), free_port()
    environment = {
        "SERINUS_REDIS_URL": f"redis://default:{PLANTED}@127.0.0.1:{server.port}/0",
        "SERINUS_PROVIDERS": f"main=http://127.0.0.1:{free_port()}",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "SERINUS_POLICIES": str(tmp_path / "policies"),
        "SERINUS_HTTP_PORT": str(port),
        "SERINUS_LOG_LEVEL": "DEBUG",
    }
    told: list[str] = []

    def failed() -> bool:
        assert not child.exited, child.log_tail()
        with suppress(httpx.TransportError):
            told.append(httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60).text)
        return f"fails: {why}" in child.log.read_text() and bool(told) and why in told[-1]

    with started(server) if redis == "refuses" else nullcontext(), group(tmp_path) as children:
        child = children.start(service, f"serinus_{service}", **environment)
        wait_until(failed, 60, f"the log and the page to tell of a {why}")
    assert PLANTED not in child.log.read_text() + "".join(told)
