"""A judgement for those who run it: JUnit's XML, and what GitHub's runner reads."""

import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as Xml

from serinus_contracts.base import Millis
from serinus_contracts.plain import plain
from serinus_contracts.report import Report
from serinus_contracts.wording import iso
from serinus_readmodel.metrics import Arm, rows

from serinus.report.markdown import markdown

_ANNOTATIONS = {"proceed": ("notice", "Canary passed"), "abort": ("error", "Canary regressed")}


def junit(report: Report) -> str:
    """One test for the verdict, and one for each metric: an abort is a failure, what is inconclusive an error.

    Of the metrics only those that regressed fail; an undecided one is skipped, since the verdict says it already.
    """
    assert report.verdict is not None
    took = ((report.ended or 0) - report.began) / 1000
    suite = Xml.Element("testsuite", name=f"serinus judge {report.run.name}", timestamp=iso(report.began)[:-1])
    tests = [_case(suite, report, "verdict", took)]
    if report.concluded == "abort":
        Xml.SubElement(tests[0], "failure", type="regression", message=plain(report.why))
    elif report.concluded == "hold":
        Xml.SubElement(tests[0], "error", type=report.verdict.reason, message=plain(report.why))
    for metric, row in zip(report.verdict.metrics, rows(report.verdict, report.plan), strict=True):
        test = _case(suite, report, metric.name, 0)
        tests.append(test)
        said = plain(f"{row.said}: canary {_arm(row.canary)}, stable {_arm(row.stable)}")
        Xml.SubElement(test, "system-out").text = said
        if metric.label == "worse" or metric.name in report.verdict.regressed:
            Xml.SubElement(test, "failure", type="regression", message=said)
        elif metric.label != "ok" and report.concluded != "proceed":
            Xml.SubElement(test, "skipped", message=said)
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(tests)))
    suite.set("time", f"{took:.1f}")
    Xml.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(suite, encoding="unicode")}\n'


def _case(suite: Xml.Element, report: Report, name: str, seconds: float) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", classname=f"serinus.{report.run.name}", name=name, time=f"{seconds:.1f}")


def _arm(arm: Arm | None) -> str:
    return f"{arm.rate} {arm.counts}".strip() if arm else "no requests"


def github_outputs(report: Report, environment: Mapping[str, str] = os.environ) -> None:
    """Write the outputs to the file that the runner names, where it does. Raises OSError."""
    _append(environment.get("GITHUB_OUTPUT"), f"verdict={report.concluded}\nsentence={_line(report.why)}\n")


def github_summary(report: Report, now: Millis, environment: Mapping[str, str] = os.environ) -> None:
    """Write the job's summary, as the outputs. Raises OSError."""
    _append(environment.get("GITHUB_STEP_SUMMARY"), markdown(report, now))


def github_annotation(report: Report) -> str:
    """The line that becomes an annotation."""
    assert report.concluded is not None
    kind, title = _ANNOTATIONS.get(report.concluded, ("warning", "Canary inconclusive"))
    return f"::{kind} title={title}::{_escaped(report.why)}"


def _append(file: str | None, text: str) -> None:
    if file:
        with Path(file).open("a", encoding="utf-8") as output:
            output.write(text)


def _line(text: str) -> str:
    return " ".join(plain(text).split())


def _escaped(text: str) -> str:
    """As a workflow command takes a message: a line break would end it."""
    return _line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
