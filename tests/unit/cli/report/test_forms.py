"""What a reader sees, word for word."""

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.console import Console
from serinus.report.markdown import markdown
from serinus.report.page import page
from serinus.report.plot import svg
from serinus.report.text import text
from serinus.show import counts
from serinus_contracts import Counts, Finding, MetricVerdict
from serinus_contracts.events import SegmentVerdict
from serinus_contracts.report import Concluded, Report
from serinus_readmodel.report import make_report

from tests.support import RUN, plan
from tests.unit.cli.report.stories import ABORT, CHAPTERS, LAST, aborted, at, decided, going_on

EVIL = "<script>alert(1)</script> | `x` [a](http://b) @team #1"


def shown(report: Report, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(text(report, at(100)))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_the_report_at_80_columns() -> None:
    assert (
        shown(aborted())
        == """\
✖ shop/checkout  aborted
Why       abort: errors 1.20 % against 0.20 % on stable (88 of 7,334; 47 of
          23,314); worse than allowed, at a false-abort rate of 1 %
Revision  new against old, attempt 1, cluster test
Policy    shop (enforce), judge sequential
Began     2027-01-15 12:00:00 UTC, took 1 min 16 s
Requests  7,334 requests evaluated, number served unknown, in 4 evaluations

Stages
12:00:01  5 %   40 s
12:00:41  25 %  35 s

Counts of the whole run
metric  canary               stable                state
errors  1.2 % (88 of 7,334)  0.2 % (47 of 23,314)  worse

Verdicts
12:00:31  proceed: 30 s at 5 %, no regression seen
12:01:15  abort: errors 1.20 % against 0.20 % on stable (88 of 7,334; 47 of
          23,314); worse than allowed, at a false-abort rate of 1 %

Decisions
12:00:33  advance   serinus     by the verdict of 12:00:31
12:00:40  override  alice@host  override by alice@host (noise)
12:01:17  abort     serinus     by the verdict of 12:01:15

Overridden
rule      before  after
interval  1.0     2.0"""
    )


def test_no_line_is_wider_than_a_narrow_terminal() -> None:
    assert max(len(line) for line in shown(aborted(), 60).splitlines()) <= 60


def test_a_run_that_goes_on_says_since_when() -> None:
    first, *rest = shown(going_on()).splitlines()
    assert first == "● shop/checkout  in progress"
    assert "Began     2027-01-15 12:00:00 UTC, for 1 min 40 s" in rest


def test_a_comment_for_a_pull_request() -> None:
    said = markdown(aborted(), at(100))
    assert said.startswith("### ✖ shop/checkout aborted\n\n**Why:** abort: errors 1.20 %")
    assert "| errors | 1.2 % (88 of 7,334) | 0.2 % (47 of 23,314) | worse |\n" in said
    assert "| 12:00:40 | override | alice&#64;host | override by alice&#64;host (noise) |" in said
    assert said.endswith("</details>\n")


def test_a_reason_that_holds_markup_changes_neither_comment_nor_page() -> None:
    report = make_report([*CHAPTERS, decided(80, "refused", EVIL, actor=EVIL)])
    assert not re.search(r"<script|`x`|\[a\]|@team|(?<!&)#1", markdown(report, at(100)))
    assert "&#91;a&#93;(http://b) &#64;team &#35;1" in markdown(report, at(100)), "each sign once"
    assert "<script" not in page(report, at(100))


def test_a_gauge_and_what_is_known_of_it_stand_in_every_form() -> None:
    grows = Finding(kind="trend", metric="memory", severity="warning", text="memory grows 42 % an hour")
    gauge = MetricVerdict(name="memory", label="warning", status="ok", share=0.1, log_eprocess=0, run=())
    rule = gauge.model_copy(update={"name": "success", "label": "ok", "detail": "3 of 5 measured"})
    last = LAST.model_copy(update={"metrics": (*LAST.metrics, gauge, rule), "findings": (grows,)})
    report = make_report([*CHAPTERS[:-3], Concluded(verdict=last)])
    for form in (shown(report), markdown(report, at(100)), page(report, at(100))):
        assert "memory grows 42 % an hour" in form
        assert "success: 3 of 5 measured" in form


def test_a_segment_that_is_worse_stands_in_every_form_and_in_the_status() -> None:
    few, many = Counts(events=15, trials=347), Counts(events=5, trials=1_140)
    worst = SegmentVerdict(
        name="/checkout", canary=few, stable=many, stage=(few, many), worse=True, log_eprocess=9, low=1.2
    )
    fine = worst.model_copy(update={"name": "/fine", "worse": False})
    errors = LAST.metrics[0].model_copy(update={"segment": "route", "segments": (worst, fine)})
    last = LAST.model_copy(update={"metrics": (errors,)})
    report = make_report([*CHAPTERS[:-3], Concluded(verdict=last)])
    for form in (shown(report), markdown(report, at(100)), page(report, at(100))):
        assert "errors of route /checkout" in form
        assert "4.3 % (15 of 347)" in form
        assert "/fine" not in form
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(counts(last, None))
    told = console.export_text()
    assert re.search(r"\n  route /checkout  4\.3 % 15 of 347 +0\.44 % 5 of 1,140 +worse\n", told)
    assert "/fine" not in told
    console.print(counts(last, None, wide=True))
    assert "route /fine" in console.export_text()


class Tags(HTMLParser):
    """Whether every tag is closed in order, and what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href")]
        if tag not in ("meta", "line", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "polyline"):
            assert self.open.pop() == tag


@pytest.mark.parametrize("report", [aborted(), going_on(), make_report(CHAPTERS[:1])], ids=["ended", "live", "new"])
def test_the_page_is_one_sound_document_that_loads_nothing(report: Report) -> None:
    tags = Tags()
    tags.feed(page(report, at(100)))
    assert (tags.open, tags.loads) == ([], [])


def test_the_page_holds_counts_decisions_people_plan_and_the_curve() -> None:
    said = page(aborted(), at(100))
    for part in (
        ABORT,
        "<svg",
        "88 of 7,334",
        "by the verdict of 12:01:15",
        "alice@host",
        "margin 1.25 x stable + 0.001",
    ):
        assert part in said


def test_the_curve_crosses_the_bar_where_the_run_was_aborted() -> None:
    root = ElementTree.fromstring(svg(aborted()))
    (curve,) = root.iter("polyline")
    points = [tuple(map(float, point.split(","))) for point in curve.attrib["points"].split()]
    (bar,) = (float(line.attrib["y1"]) for line in root.iter("line") if line.attrib["class"] == "bar")
    assert [height < bar for _, height in points] == [False, False, True]
    assert [across for across, _ in points] == sorted(across for across, _ in points)
    assert sum(line.attrib["class"] == "stage" for line in root.iter("line")) == 2


def test_without_an_evaluation_there_is_no_curve() -> None:
    assert svg(make_report(CHAPTERS[:1])) == ""


def test_the_report_names_the_run_it_is_about() -> None:
    assert aborted().run == RUN
    assert aborted().plan == plan()
