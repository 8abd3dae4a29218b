"""A running demo is found by its user alone, and only while it runs."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from serinus import running_demo
from serinus.app import app
from serinus.options import LOCAL, Source, Streams
from typer.testing import CliRunner

ADDRESSES = {
    "redis_url": "redis://127.0.0.1:16379/0",
    "redis_tag": "demo",
    "kubeconfig": "/tmp/a folder/kubeconfig",
    "prometheus": "http://127.0.0.1:9999",
    "policies": "/tmp/policies",
}
RUNNER = CliRunner()
FILE = f"demo-{os.getpid()}.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "serinus"


def test_it_is_found_while_it_runs_and_not_after(folder: Path) -> None:
    assert running_demo.found() is None
    with running_demo.known(**ADDRESSES):
        demo = running_demo.found()
        assert demo is not None
        assert (demo.pid, demo.redis_url, demo.redis_tag) == (os.getpid(), "redis://127.0.0.1:16379/0", "demo")
        assert (folder / FILE).stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
    assert running_demo.found() is None
    assert list(folder.iterdir()) == []


def test_what_a_demo_left_behind_that_was_killed_is_not_found(folder: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    alive = running_demo.began(ended.pid)
    ended.wait()
    assert alive
    assert running_demo.began(ended.pid) == ""
    with running_demo.known(**ADDRESSES):
        file = folder / FILE
        left = file.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {ended.pid}')
        file.write_text(left)
        assert running_demo.found() is None


def test_another_process_of_the_same_number_is_not_taken_for_it(folder: Path) -> None:
    with running_demo.known(**ADDRESSES):
        demo = running_demo.found()
        assert demo is not None
        file = folder / FILE
        file.write_text(file.read_text().replace(demo.began, "1"))
        assert running_demo.found() is None


@pytest.mark.parametrize("which", ["the file", "its folder"])
def test_what_others_may_write_or_read_is_not_believed(folder: Path, which: str) -> None:
    name = FILE if which == "the file" else "."
    with running_demo.known(**ADDRESSES):
        (folder / name).chmod(0o770)
        assert running_demo.found() is None
        (folder / name).chmod(0o700)
        assert running_demo.found() is not None


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    with running_demo.known(**ADDRESSES):
        (folder / FILE).rename(tmp_path / "elsewhere")
        (folder / FILE).symlink_to(tmp_path / "elsewhere")
        assert running_demo.found() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_broken_file_is_no_demo(folder: Path, text: str) -> None:
    with running_demo.known(**ADDRESSES):
        (folder / FILE).write_text(text)
        assert running_demo.found() is None


def test_of_two_demos_the_last_one_is_found_and_the_other_when_that_has_ended(folder: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with running_demo.known(**ADDRESSES):
            first = running_demo.found()
            assert first is not None
            newer = replace(first, pid=other.pid, began=running_demo.began(other.pid), redis_tag="newer")
            file = folder / f"demo-{other.pid}.json"
            file.touch(0o600)
            file.write_text(json.dumps(asdict(newer)))
            later = (folder / FILE).stat().st_mtime_ns + 1
            os.utime(file, ns=(later, later))
            assert running_demo.found() == newer
            other.communicate(b"\n")
            assert running_demo.found() == first
    finally:
        other.kill()
        other.wait()


def test_what_was_left_behind_is_taken_away_by_the_next_demo(folder: Path) -> None:
    with running_demo.known(**ADDRESSES):
        left = folder / "demo-1.json"
        left.write_text((folder / FILE).read_text().replace(f'"pid": {os.getpid()}', '"pid": 1'))
    with running_demo.known(**ADDRESSES):
        assert not left.exists()
        assert running_demo.found() is not None


def used(source: Streams) -> tuple[str, str]:
    return source.url, source.tag


def test_commands_without_settings_use_it_and_say_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert used(Streams()) == (LOCAL, "serinus")
    with running_demo.known(**ADDRESSES):
        source = Streams()
        assert used(source) == ("redis://127.0.0.1:16379/0", "demo")
        assert source.redis == source.url
        assert capsys.readouterr().err.count("using the demo that runs here, redis://127.0.0.1:16379/0") == 1


def test_commands_that_read_no_redis_name_no_demo(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_text("")
    with running_demo.known(**ADDRESSES):
        shown = RUNNER.invoke(app, ["report", "--from", str(file)])
    assert "has no report" in shown.stderr
    assert "using the demo" not in shown.output


@pytest.mark.parametrize("kind", [Source, Streams])
def test_what_reads_a_cluster_too_does_not_take_the_redis_of_a_demo_for_that_clusters(kind: type[Streams]) -> None:
    with running_demo.known(**ADDRESSES):
        assert used(kind().beside_cluster()) == (LOCAL, "serinus")
        assert used(kind(redis_url="redis://here").beside_cluster()) == ("redis://here", "serinus")


def test_what_is_given_is_what_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with running_demo.known(**ADDRESSES):
        assert Streams(redis_url=LOCAL).url == LOCAL
        assert used(Streams(redis_tag="prod")) == (LOCAL, "prod"), "an act meant for another must not reach it"
        assert Source(console="http://console").console == "http://console"
    assert capsys.readouterr().err == ""


def test_a_shell_reads_where_it_is() -> None:
    with running_demo.known(**ADDRESSES):
        shown = RUNNER.invoke(app, ["demo", "env"])
    assert shown.exit_code == 0
    script = (
        f'{shown.stdout}\nprintf "%s|" "$SERINUS_REDIS_URL" "$SERINUS_REDIS_TAG" "$SERINUS_PROVIDERS" "$KUBECONFIG"'
    )
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout
    assert read == "redis://127.0.0.1:16379/0|demo|main=http://127.0.0.1:9999|/tmp/a folder/kubeconfig|"


def test_without_one_a_shell_is_given_nothing() -> None:
    shown = RUNNER.invoke(app, ["demo", "env"])
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "no demo runs here: start one by serinus demo --keep" in shown.stderr
