"""The steps of action.yml and the examples for CI, run as their runners do."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import yaml
from serinus_contracts.report import Report

from tests.integration.cli.test_judge import POLICY, prometheus
from tests.servers import served

ROOT = Path(__file__).parents[3]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
CI = ROOT / "examples" / "ci"
MARK = "<!-- serinus judge: buy -->"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(prometheus) as address:
        yield address


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's folder with the command installed, as the first step leaves it."""
    folder = tmp_path / "serinus" / "bin"
    folder.mkdir(parents=True)
    program(folder / "serinus", f'exec "{sys.executable}" -c "from serinus.app import main; main()" "$@"')
    (folder / "python").symlink_to(sys.executable)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def step(name: str, runner: Path, inputs: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    """One step with bash as GitHub starts it. The expressions of its environment are those of `inputs`."""
    told = {key: str(value.get("default", "")) for key, value in ACTION["inputs"].items()} | inputs

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.(\S+) \}\}", lambda found: told[found[1]], text)

    own = {key: filled(value) for key, value in STEPS[name].get("env", {}).items()}
    files = {"GITHUB_OUTPUT": str(runner / "output"), "GITHUB_STEP_SUMMARY": str(runner / "summary")}
    base = {"RUNNER_TEMP": str(runner), "GITHUB_ACTION_PATH": str(ROOT), **files}
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", STEPS[name]["run"]]
    environment = {**os.environ, **base, **own, **more}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=runner)


def test_no_step_pastes_an_input_into_its_script() -> None:
    assert not [name for name, each in STEPS.items() if "${{" in each["run"]]
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.(\w+)", text)) == set(ACTION["inputs"])


def test_a_bad_canary_fails_the_job_with_outputs_a_summary_and_a_report(url: str, runner: Path) -> None:
    inputs = {"prometheus": url, "canary": 'version="bad"', "stable": 'version="v1"', "policy": "policy.yaml"}
    judged = step("Judge", runner, {**inputs, "name": "buy"})
    assert judged.returncode == 3, judged.stderr
    assert "::error title=Canary regressed::abort: errors" in judged.stdout
    output = dict(line.split("=", 1) for line in (runner / "output").read_text().splitlines())
    assert output["verdict"] == "abort"
    assert (runner / "summary").read_text().startswith("### ✖ buy abort\n")
    assert step("Report", runner, {}).returncode == 0
    page = (runner / "output").read_text().splitlines()[-1].removeprefix("report=")
    assert "buy  abort" in Path(page).read_text()


def test_what_an_input_holds_is_never_run(runner: Path) -> None:
    labels = "$(touch pwned)`touch pwned`; touch pwned"
    inputs = {"prometheus": "http://127.0.0.1:9", "canary": labels, "stable": labels, "policy": "$(touch pwned)"}
    assert step("Judge", runner, inputs).returncode == 2
    assert not (runner / "pwned").exists()


def test_where_nothing_was_judged_there_is_no_report(runner: Path) -> None:
    assert step("Report", runner, {}).returncode == 0
    assert not (runner / "output").exists()


@dataclass
class GitHub:
    """Comments of pull request 7. `refuses`: the status with which a method is answered."""

    url: str
    comments: list[dict[str, Any]] = field(default_factory=list)
    refuses: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    login: str | None = None


@pytest.fixture
def github() -> Iterator[GitHub]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            state.asked.append(f"{self.command} {path}")
            length = int(self.headers.get("Content-Length") or 0)
            body: Any = json.loads(self.rfile.read(length)) if length else None
            found: Any = state.comments
            assert self.headers["Authorization"] == "Bearer secret"
            status = state.refuses.get(self.command, 200)
            if path == "/user":
                status, found = (403, {}) if state.login is None else (200, {"login": state.login})
            elif status == 200 and self.command == "GET":
                assert path == "/repos/shop/buy/issues/7/comments"
                page = int(re.findall(r"page=(\d+)", query)[-1])
                found = state.comments[100 * (page - 1) : 100 * page]
            elif status == 200 and self.command == "POST":
                assert path == "/repos/shop/buy/issues/7/comments"
                found = {"id": len(state.comments) + 1, "user": {"type": "Bot", "login": "github-actions[bot]"}, **body}
                state.comments.append(found)
            elif status == 200:
                found = state.comments[int(path.rpartition("/")[2]) - 1]
                found.update(body)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - as the server calls them

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = GitHub(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


def commented(github: GitHub, runner: Path, report: Report | None) -> str:
    file = runner / "serinus-report.jsonl"
    file.write_text(report.model_dump_json(exclude_none=True) + "\n" if report else "")
    ended = step(
        "Comment", runner, {"name": "buy", "token": "secret"}, NUMBER="7", GITHUB_API_URL=github.url,
        GITHUB_REPOSITORY="shop/buy",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def reports() -> tuple[Report, Report]:
    from tests.unit.cli.judge.test_forms import BAD, GOOD

    return BAD, GOOD


def test_one_comment_is_written_and_then_updated(github: GitHub, runner: Path, reports: tuple[Report, Report]) -> None:
    bad, good = reports
    github.comments = [{"id": i + 1, "body": f"looks good {MARK}"} for i in range(120)]
    assert commented(github, runner, bad) == "wrote comment 121\n"
    assert github.comments[120]["body"].startswith(f"{MARK}\n### ✖ buy abort\n")
    assert commented(github, runner, good) == "updated comment 121\n"
    assert github.comments[120]["body"].startswith(f"{MARK}\n### ✔ buy proceed\n")
    assert len(github.comments) == 121
    assert github.asked[-1] == "PATCH /repos/shop/buy/issues/comments/121"


def test_a_comment_that_may_not_be_changed_is_left_and_another_written(
    github: GitHub, runner: Path, reports: tuple[Report, Report]
) -> None:
    github.comments = [{"id": 1, "user": {"type": "Bot"}, "body": f"{MARK}\nquoted"}]
    github.refuses = {"PATCH": 403}
    assert commented(github, runner, reports[0]) == "wrote comment 2\n"
    assert github.comments[0]["body"] == f"{MARK}\nquoted"


def test_a_comment_on_the_commit_before_is_replaced_where_nothing_was_judged(
    github: GitHub, runner: Path, reports: tuple[Report, Report]
) -> None:
    commented(github, runner, reports[1])
    assert commented(github, runner, None) == "updated comment 1\n"
    assert github.comments[0]["body"].startswith(f"{MARK}\n### ■ buy not judged\n")


@pytest.mark.parametrize(("login", "taken"), [(None, False), ("carol", False), ("mallory", True)])
def test_a_comment_that_somebody_else_began_with_the_mark_is_not_taken(
    github: GitHub, runner: Path, login: str | None, taken: bool
) -> None:
    github.login = login
    github.comments = [{"id": 1, "user": {"type": "User", "login": "mallory"}, "body": f"{MARK}\nmine"}]
    assert commented(github, runner, None) == ("updated comment 1\n" if taken else "wrote comment 2\n")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>", b"", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"],
    ids=["html", "cut", "other json"],
)
def test_what_is_no_answer_of_github_fails_no_job(runner: Path, answer: bytes) -> None:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = commented(GitHub(f"http://127.0.0.1:{server.server_address[1]}"), runner, None)
        server.shutdown()
    assert said.startswith("::warning title=No comment::GitHub was not reached: ")


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_of_github_is_a_warning_and_fails_no_job(github: GitHub, runner: Path, status: int) -> None:
    github.refuses = {"GET": status}
    said = commented(github, runner, None)
    assert said.startswith(f"::warning title=No comment::GitHub answered {status}")
    assert ("pull-requests, write" in said) == (status != 500)


@pytest.mark.parametrize("code", [0, 3, 4, 1])
def test_the_step_of_gitlab_ends_with_the_code_of_the_judgement(code: int, tmp_path: Path) -> None:
    header, jobs = yaml.safe_load_all((CI / "gitlab.yml").read_text())
    text = (CI / "gitlab.yml").read_text()
    assert set(re.findall(r"inputs\.(\w+)", text)) == set(header["spec"]["inputs"])
    (job,) = jobs.values()
    assert "allow_failure" not in job, "what is inconclusive must not be promoted"
    script = "\n".join(["set -eo pipefail", *job["script"]])
    assert runs(script, tmp_path, code, {"CI_PROJECT_NAME": "buy", **dict.fromkeys(job["variables"], "x")}) == code
    assert (tmp_path / "junit.xml").read_text() == "judge --prometheus x --canary x --stable x --for x --name buy --record report.jsonl -o junit\n"  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("code", [0, 3, 4, 1])
def test_the_template_of_argo_workflows_ends_with_the_code_of_the_judgement(code: int, tmp_path: Path) -> None:
    found = yaml.safe_load((CI / "argo-workflows.yaml").read_text())["spec"]
    (template,) = found["templates"]
    assert found["entrypoint"] == template["name"]
    names = {one["name"] for one in found["arguments"]["parameters"]}
    text = (CI / "argo-workflows.yaml").read_text()
    assert set(re.findall(r"workflow\.parameters\.(\w+)", text)) == names
    assert set(re.findall(r"inputs\.parameters\.(\w+)", text)) == names
    assert not [argument for argument in template["container"]["args"] if "{{" in argument]
    environment = {one["name"]: "x" for one in template["container"]["env"]}
    assert runs(template["container"]["args"][0], tmp_path, code, environment) == code


def runs(script: str, folder: Path, code: int, environment: dict[str, str]) -> int:
    """The exit code of a script by sh, where `serinus judge` ends with `code`."""
    program(folder / "serinus", f'echo "$*"; exit {code}')
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env={**os.environ, **environment, "PATH": path}, capture_output=True
    ).returncode


def test_the_workflow_of_the_example_gives_inputs_that_the_action_has() -> None:
    (job,) = yaml.safe_load((CI / "github.yml").read_text())["jobs"].values()
    given, upload = job["steps"]
    assert set(given["with"]) <= set(ACTION["inputs"])
    assert {name for name, each in ACTION["inputs"].items() if each.get("required")} <= set(given["with"])
    assert "steps.judge.outputs.report" in upload["with"]["path"]
    assert set(ACTION["outputs"]) == {"verdict", "sentence", "report"}
