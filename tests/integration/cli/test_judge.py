"""`serinus judge` as a user runs it, against a server that answers as Prometheus does."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from serinus_contracts import Selector
from serinus_counting.series import Series

from tests.integration.cli.command import assert_golden, serinus
from tests.servers import served
from tests.unit.cli.judge.processes import version

RANGE = re.compile(r"(?P<selector>.*)\[(?P<reach>\d+)ms\]")
PROCESSES = [
    version("v1", rate=2000, scrape_ms=200),
    version("good", rate=2000, scrape_ms=200),
    version("bad", rate=2000, errors=0.2, scrape_ms=200),
]
POLICY = """\
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {name: buy}
spec:
  match: {name: buy}
  interval: 500ms
  settle: 0s
  minimum: 1s
  metrics:
  - {name: errors, preset: http-errors, margin: {ratio: 2, absolute: 0.05}, critical: true}
"""


async def prometheus(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Range selectors of the processes; every other query has an empty answer."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    asked = RANGE.fullmatch(form.get("query", ""))
    series = []
    if asked and "sum by" not in asked["selector"]:
        end = round(1000 * float(form["time"]))
        matchers = Selector.parse(asked["selector"]).all_matchers()
        every = [one for process in PROCESSES for one in process.series(end - int(asked["reach"]), end)]
        found = [one for one in every if all(matcher.matches(one.labels) for matcher in matchers)]
        series = [{"metric": one.labels, "values": _samples(one)} for one in found]
    answer = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer})


def _samples(one: Series) -> list[tuple[float, str]]:
    return [(at / 1000, str(value)) for at, value in zip(one.times, one.values, strict=True)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(prometheus) as address:
        yield address


@pytest.fixture
def policy(tmp_path: Path) -> str:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return str(file)


def judge(url: str, canary: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    arms = ("--canary", f'version="{canary}"', "--stable", 'version="v1"')
    return serinus("judge", "--prometheus", url, *arms, *more, COLUMNS="80", **environment)


def test_a_bad_canary_ends_with_3_and_a_report_that_can_be_read(url: str, policy: str, tmp_path: Path) -> None:
    record, page = tmp_path / "record.jsonl", tmp_path / "report.html"
    ended = judge(url, "bad", "--policy", policy, "--record", str(record), "-o", "json")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["verdict"]) == (3, "abort")
    assert re.match(r"abort: errors (19|20)[.\d]* % against 0\.\d+ % on stable", document["why"])
    read = serinus("report", "--from", str(record), "--html", str(page))
    assert (read.returncode, read.stdout) == (0, f"wrote {page}\n")
    assert "buy  abort" in page.read_text()
    assert "✖ buy abort" in serinus("report", "--from", str(record), "--md").stdout


def test_a_good_canary_ends_with_0_and_lines_that_a_log_can_hold(url: str, policy: str) -> None:
    ended = judge(url, "good", "--policy", policy)
    assert (ended.returncode, ended.stderr) == (0, "")
    text = re.sub(r"127.0.0.1:\d+", "127.0.0.1:9090", ended.stdout)
    text = re.sub(r"\d\d:\d\d(:\d\d)?", lambda found: "10:00:00"[: len(found[0])], text)
    assert 'buy  version="good" against version="v1"\nerrors at http://127.0.0.1:9090\n' in text
    assert re.search(r"^10:00:00  proceed: errors 0\.\d+ % against 0\.\d+ % on stable", text, re.MULTILINE)
    assert re.search(r"^proceed after \d+ s: [\d,]+ requests of the canary in \d evaluations$", text, re.MULTILINE)
    assert "\x1b" not in text


def test_what_is_undecided_ends_with_4_and_says_what_would_decide_it(url: str, tmp_path: Path) -> None:
    narrow = tmp_path / "policy.yaml"
    narrow.write_text(POLICY.replace("ratio: 2, absolute: 0.05", "ratio: 1.1"))
    ended = judge(url, "good", "--for", "3s", "--policy", str(narrow))
    assert ended.returncode == 4
    assert "inconclusive after" in ended.stdout
    said = " ".join(ended.stdout.split())
    assert "An equal canary is shown to be no worse after about" in said
    assert "give --for as long, or --gate noRegression" in said


def test_without_a_policy_what_is_there_is_judged_for_the_time_that_is_given(url: str) -> None:
    ended = judge(url, "good", "--for", "5s", "--gate", "noRegression", "-o", "junit")
    assert ended.returncode == 0
    suite = ElementTree.fromstring(ended.stdout.partition("\n")[2])
    assert [suite.get("tests"), suite.get("failures"), suite.get("errors")] == ["2", "0", "0"]


def test_a_job_that_is_cancelled_ends_with_what_is_known_and_130(url: str, policy: str, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    arms = ["--canary", 'version="good"', "--stable", 'version="v1"', "--follow", "--record", str(record)]
    command = [sys.executable, "-c", "from serinus.app import main; main()", "judge", "--prometheus", url, *arms]
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [*command, "--policy", policy], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    limit = threading.Timer(60, child.kill)
    limit.start()
    try:
        # With --follow a proceed does not end it.
        lines: list[str] = []
        while not lines or "  proceed:" not in lines[-1]:
            lines.append(child.stdout.readline())
            assert lines[-1], "".join(lines)
        child.send_signal(signal.SIGTERM)
        rest, errors = child.communicate()
    finally:
        limit.cancel()
        child.kill()
    assert (child.returncode, errors) == (130, "")
    assert re.search(r"^stopped after \d+ s: ", rest, re.MULTILINE)
    assert len(record.read_text().splitlines()) == 1


def test_what_wrong_input_is_answered_with_is_as_it_was(policy: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    wrong = [
        ["--stable", 'version="v1"'],
        ["--canary", "", "--stable", 'version="v1"'],
        ["--canary", "version=v2", "--stable", 'version="v1"'],
        ["--canary", 'version="v1"', "--stable", '{version="v1"}'],
        ["--canary", 'requests{version="v2"}', "--stable", 'version="v1"'],
        ["--canary", 'version="v2"', "--stable", 'version="v1"', "--for", "soon"],
        ["--canary", 'version="v2"', "--stable", 'version="v1"', "--for", "0s"],
        ["--canary", 'version="v2"', "--stable", 'version="v1"', "--policy", "nowhere.yaml"],
        ["--canary", 'version="v2"', "--stable", 'version="v1"', "--record", "nowhere/record"],
        ["--canary", 'version="v2"', "--stable", 'version="v1"', "--prometheus", "http://127.0.0.1:9"],
    ]
    text = ""
    for arguments in wrong:
        ended = serinus("judge", *arguments, COLUMNS="80", cwd=str(tmp_path))
        lines = "".join(f"! {line}\n" for line in ended.stderr.splitlines())
        text += f"$ serinus judge {' '.join(arguments)}\n{ended.stdout}{lines}exit {ended.returncode}\n\n"
    assert_golden("judge-wrong", text)


def test_an_abort_is_not_lost_with_a_file_that_cannot_be_written(url: str, policy: str, tmp_path: Path) -> None:
    output, nowhere = tmp_path / "output", str(tmp_path / "nowhere" / "file")
    files = {"GITHUB_STEP_SUMMARY": nowhere, "GITHUB_OUTPUT": str(output)}
    ended = judge(url, "bad", "--policy", policy, "-o", "github", **files)
    assert ended.returncode == 3
    assert "::error title=Canary regressed" in ended.stdout
    assert output.read_text().startswith("verdict=abort\n")
    assert f"error: {nowhere}: No such file or directory" in ended.stderr


def test_arms_that_share_a_series_are_refused_at_once(url: str) -> None:
    shared = serinus("judge", "--prometheus", url, "--canary", 'version=~"v1|good"', "--stable", 'version="v1"')
    assert shared.returncode == 2
    assert "make the two selectors exclude each other" in shared.stderr
