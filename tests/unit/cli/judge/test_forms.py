"""A judgement for CI: what the runners read."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from serinus.judge import forms
from serinus.judge.record import Record
from serinus.kept import append_report, read_reports
from serinus.report.markdown import markdown
from serinus.report.page import page
from serinus_contracts.report import Report

from tests.unit.cli.judge.processes import RUN, Processes, version
from tests.unit.cli.judge.test_session import BEGAN, judged, plan


def report(server: Processes, seconds: float = 60, name: str = "buy") -> Report:
    asked = plan(seconds)
    record = Record(RUN.model_copy(update={"name": name}), asked, BEGAN)
    found, took = judged(server, asked)
    for verdict in found:
        record.add(verdict)
    made = record.report(BEGAN + took)
    assert made is not None
    return made


BAD = report(Processes([version("v1"), version("v2", errors=0.05)]))
OPEN = report(Processes([version("v1", rate=5), version("v2", rate=5)]))
GOOD = report(Processes([version("v1", rate=5000), version("v2", rate=5000)]), 600)


@pytest.mark.parametrize(("made", "failures", "errors", "skipped"), [(GOOD, 0, 0, 0), (BAD, 2, 0, 0), (OPEN, 0, 1, 1)])
def test_junit_fails_an_abort_and_no_inconclusive_judgement_passes(
    made: Report, failures: int, errors: int, skipped: int
) -> None:
    suite = ElementTree.fromstring(forms.junit(made).partition("\n")[2])
    numbers = [int(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")]
    assert numbers == [2, failures, errors, skipped]
    assert [case.get("name") for case in suite] == ["verdict", "errors"]


def test_junit_stays_xml_whatever_the_names_hold() -> None:
    wild = BAD.model_copy(update={"why": 'a <b> & "c" \x1b[31m\x00'})
    case = ElementTree.fromstring(forms.junit(wild).partition("\n")[2])[0]
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == 'a <b> & "c" [31m'


@pytest.mark.parametrize(
    ("made", "line", "verdict"),
    [
        (GOOD, "::notice title=Canary passed::proceed: errors", "proceed"),
        (BAD, "::error title=Canary regressed::abort: errors 5 %25 against", "abort"),
        (OPEN, "::warning title=Canary inconclusive::hold: ", "hold"),
    ],
)
def test_github_gets_an_annotation_a_summary_and_outputs(made: Report, line: str, verdict: str, tmp_path: Path) -> None:
    summary, output = tmp_path / "summary", tmp_path / "output"
    environment = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
    assert forms.github_annotation(made).startswith(line)
    forms.github_outputs(made, environment)
    forms.github_summary(made, BEGAN, environment)
    assert summary.read_text() == markdown(made, BEGAN)
    assert output.read_text() == f"verdict={verdict}\nsentence={made.why}\n"


def test_nothing_that_is_said_can_be_a_second_command_or_output(tmp_path: Path) -> None:
    output = tmp_path / "output"
    wild = BAD.model_copy(update={"why": "a\n::set-env name=X::y\r\nverdict=proceed"})
    forms.github_outputs(wild, {"GITHUB_OUTPUT": str(output)})
    assert "\n" not in forms.github_annotation(wild)
    assert [one.partition("=")[0] for one in output.read_text().splitlines()] == ["verdict", "sentence"]


def test_outside_of_a_runner_no_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    forms.github_outputs(GOOD, {})
    forms.github_summary(GOOD, BEGAN, {})
    assert not list(tmp_path.iterdir())


def test_a_report_of_a_judgement_says_what_was_compared_and_no_release() -> None:
    text = markdown(BAD, BEGAN)
    assert text.startswith("### ✖ buy abort\n")
    assert '**Compared:** canary version="v2" against stable version="v1"' in text
    for word in ("Revision", "attempt", "stage began", "shadow"):
        assert word not in text
    assert '<h1 class="aborted">✖ buy  abort</h1>' in page(BAD, BEGAN)
    assert markdown(OPEN, BEGAN).startswith("### ■ buy inconclusive\n")


def test_reports_are_added_to_a_file_and_read_from_it(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    for one in (GOOD, BAD):
        append_report(one, file)
    assert list(read_reports(file)) == [GOOD, BAD]
    file.write_text(file.read_text() + "{}\n")
    with pytest.raises(ValueError, match="line 3 is no report"):
        read_reports(file)


def test_a_record_of_days_stays_small() -> None:
    record = Record(RUN, plan(60), BEGAN)
    (verdict, *_), _ = judged(Processes([version("v1"), version("v2")]), plan(30))
    for end in range(10_000):
        record.add(verdict.model_copy(update={"end": BEGAN + end, "changed": end == 0}))
    made = record.report(BEGAN)
    assert made is not None
    assert 1000 <= len(made.evidence) <= 2001
    assert len(made.changes) == 1


def test_what_a_verdict_leaves_out_is_shown_as_it_was_told_last() -> None:
    made = plan(600)
    record = Record(RUN, made, BEGAN)
    found, _ = judged(Processes([version("v1", rate=50), version("v2", rate=50)]), made)
    pairs = list(enumerate(pairwise(found)))
    described = next(i for i, (one, after) in reversed(pairs) if one.described and not after.described)
    for verdict in found[: described + 2]:
        record.add(verdict)
    assert record.last is not None
    assert record.last.metrics[0].detectable_rate == found[described].metrics[0].detectable_rate is not None
