"""Secrets that a service is given are in none of its logs, whatever fails."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import RedisServer, free_port, redis_binary
from tests.topologies import started

PLANTED = "planted-5f1c"


@pytest.mark.parametrize("service", ["collector", "analyzer", "controller"])
@pytest.mark.parametrize("redis", ["away", "refuses"])
def test_no_secret_is_in_the_log_of_a_service_whose_redis_is_away_or_refuses_it(
    service: str, redis: str, tmp_path: Path
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
    with started(RedisServer(redis_binary(), tmp_path, requirepass="another")) as server:
        port = server.port if redis == "refuses" else free_port()
        environment = {
            "SERINUS_REDIS_URL": f"redis://default:{PLANTED}@127.0.0.1:{port}/0",
            "SERINUS_PROVIDERS": f"main=http://127.0.0.1:{free_port()}",
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "SERINUS_POLICIES": str(tmp_path / "policies"),
            "SERINUS_HTTP_PORT": "0",
            "SERINUS_LOG_LEVEL": "DEBUG",
        }
        log = tmp_path / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", f"serinus_{service}"], env=os.environ | environment, stdout=out, stderr=out
            )
        end = time.monotonic() + 60
        while "fails: " not in log.read_text() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.terminate()
        process.wait(30)
    text = log.read_text()
    assert "fails: " in text
    assert PLANTED not in text
