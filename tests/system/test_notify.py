"""The notifier as a process, against a receiver that counts, on a Redis that gives it its own rights alone."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis
from serinus.demo.processes import ManagedProcess
from serinus_contracts import DecisionTaken, Keys, seal, to_entry
from serinus_notifier.use_cases.notify import AT_ONCE

from tests.guarded import guarded
from tests.servers import RedisServer, wait_until
from tests.support import RUN

pytestmark = pytest.mark.timeout(120)
__all__ = ["guarded"]
CAUSES = [f"checkout-{number}" for number in range(100)]


class Receiver(ThreadingHTTPServer):
    """Counts what it was told, by Rollout. Of `unclear` ones it hangs up on the first without a word; beyond `at_most`
    it leaves those who tell without an answer until `go_on`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: Counter[str] = Counter()
        self.hung_up: Counter[str] = Counter()
        self.unclear: set[str] = set()
        self.away = False
        self.at_most = len(CAUSES)
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.open = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.lock:
            self.open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.lock:
            self.open -= 1


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["title"].partition(":")[0].removeprefix("shop/")
        if self.server.away:
            self.send_error(503)
            return
        if len(self.server.told) >= self.server.at_most:
            self.server.go_on.wait(60)
        with self.server.lock:
            self.server.told[name] += 1
            if name in self.server.unclear and not self.server.hung_up[name]:
                self.server.hung_up[name] += 1
                return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


@pytest.fixture
def redis(guarded: tuple[RedisServer, Mapping[str, str]]) -> Mapping[str, str]:
    """Addresses at a Redis that lets the notifier in by its own user."""
    return guarded[1]


@pytest.fixture
def notifier(redis: Mapping[str, str], tmp_path: Path) -> Iterator[ManagedProcess]:
    environment = {
        "SERINUS_REDIS_URL": redis["notifier"],
        "SERINUS_HTTP_PORT": "0",
        "SERINUS_LOG_LEVEL": "DEBUG",
        "SERINUS_NOTIFICATIONS": str(tmp_path / "notifications.yaml"),
        # Long enough that a busy machine is not taken for a receiver without a conclusion.
        "SERINUS_SEND_TIMEOUT": "5",
    }
    command = [sys.executable, "-m", "serinus_notifier.app"]
    child = ManagedProcess("notifier", command, environment, tmp_path / "notifier.log")
    yield child
    child.stop()


def configure(tmp_path: Path, port: int) -> None:
    address = f"json://me:s3cret@127.0.0.1:{port}/h00k-t0ken"
    text = f"channels: {{team: '{address}'}}\nrules: [{{kinds: [aborted], to: [team]}}]\n"
    (tmp_path / "notifications.yaml").write_text(text)


def aborted(client: Any, name: str) -> None:
    decision = DecisionTaken(
        run=RUN.model_copy(update={"name": name, "uid": name}), step=1, action="abort", cause="v", detail="worse",
        mode="enforce", state="confirmed", decided=1_700_000_000_000,
    )  # fmt: skip
    client.xadd(
        Keys().stream("decisions"), to_entry(seal(decision, source="/serinus/controller", now=decision.decided))
    )


def begins(client: Any, child: ManagedProcess) -> None:
    """Start it, and wait until it reads."""
    child.start()

    def reads() -> bool:
        assert not child.exited, child.log_tail()
        return bool(client.hexists(Keys().notify("places"), "decisions"))

    wait_until(reads, 60, "the notifier to read")


def test_a_notifier_killed_in_the_midst_of_100_causes_loses_none_and_repeats_none_that_was_answered(
    redis: Mapping[str, str], notifier: ManagedProcess, tmp_path: Path
) -> None:
    with receiver() as told, Redis.from_url(redis["admin"]) as client:
        configure(tmp_path, told.server_address[1])
        told.unclear = set(CAUSES[::10])
        told.at_most = 40
        begins(client, notifier)
        for name in CAUSES:
            aborted(client, name)
            aborted(client, name)  # a repeat, as after a controller's restart
        wait_until(lambda: len(told.told) >= 40, 60, "40 causes to be told")
        notifier.kill()
        # What it had sent may still be on its way to be counted.
        told.go_on.set()
        wait_until(lambda: told.open == 0, 60, "the receiver to have heard what was sent")
        assert len(told.told) < len(CAUSES)
        known = {key.decode().split("/")[1] for key in client.scan_iter("{serinus}:notify:told:*", count=1000)}
        in_doubt = {name for name in told.told if name not in known} - set(told.hung_up)
        assert len(in_doubt) <= AT_ONCE
        twice_at_most = Counter(in_doubt) + told.hung_up
        notifier.start()
        wait_until(lambda: client.zcard("{serinus}:notify:due") == 0, 60, "all to be told")
        wait_until(lambda: len(told.told) == len(CAUSES), 60, "every cause to be told")
        for name in CAUSES:
            assert 1 <= told.told[name] <= 1 + max(twice_at_most[name], told.hung_up[name]), name
        assert sum(told.told.values()) <= len(CAUSES) + len(in_doubt) + len(CAUSES[::10])
        log = notifier.log.read_text()
        assert "s3cret" not in log
        assert "h00k-t0ken" not in log


def test_a_receiver_that_was_away_is_told_when_it_is_back(
    redis: Mapping[str, str], notifier: ManagedProcess, tmp_path: Path
) -> None:
    with receiver() as told, Redis.from_url(redis["admin"]) as client:
        configure(tmp_path, told.server_address[1])
        told.away = True
        begins(client, notifier)
        aborted(client, "checkout")
        wait_until(lambda: client.hvals("{serinus}:notify:tries"), 60, "a first try")
        wait_until(lambda: "not told to team at try 1" in notifier.log.read_text(), 60, "the failure to be logged")
        told.away = False
        wait_until(lambda: told.told["checkout"] == 1, 60, "the message to arrive")
        wait_until(lambda: client.zcard("{serinus}:notify:due") == 0, 60, "nothing to be left")
        log = notifier.log.read_text()
        assert "s3cret" not in log
        assert "h00k-t0ken" not in log


def test_a_wrong_file_ends_the_notifier_with_its_line_and_code_2(
    redis: Mapping[str, str], notifier: ManagedProcess, tmp_path: Path
) -> None:
    text = "channels: {team: 'json://h'}\nrules:\n- {kinds: [held], to: [boss]}\n"
    (tmp_path / "notifications.yaml").write_text(text)
    notifier.start()
    wait_until(lambda: notifier.exited, 60, "the notifier to end")
    assert notifier._process is not None
    assert notifier._process.returncode == 2
    assert "notifications.yaml:3:24: rules.0.to.0: there is no channel 'boss'; known: team" in notifier.log_tail()
