"""The ordinary case of counting gives what counting series by series gives, and is the usual one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from serinus_contracts import Measurement, PlanMetric, Proportion
from serinus_contracts.base import Arm
from serinus_contracts.plan import AnalysisPlan, ArmRule
from serinus_counting.measure import measure_each, measure_on
from serinus_counting.metric_window import MetricWindow
from serinus_counting.ordinary import measure_ordinary
from serinus_counting.progress import Progress, packed, unpacked
from serinus_counting.series import Series
from serinus_counting.stretch import Fetched
from serinus_counting.windows import RunState, reach_ms, span

from tests.support import ERRORS, LATENCY, observed, plan

Counts = tuple[Measurement, Progress | None]
FLOOR, SCRAPE, END = 1_000_000, 10_000, 1_400_000
BY_ROUTE = ERRORS.model_copy(update={"segment": "route"})
BY_SERVICE = (ArmRule(label="service", canary="canary", stable="stable"),)


@dataclass
class Page:
    """What one process shows in time: of each series labels, samples, and from when each can be read."""

    pod: str
    arm: Arm
    started: int
    series: list[tuple[dict[str, str], list[tuple[int, float, int]]]] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)


@dataclass
class World:
    """Processes of which most are calm: `trouble` is how many kinds of it may happen, each now and then."""

    seed: int
    metric: PlanMetric
    trouble: int
    pages: list[Page] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = Random(self.seed)
        kinds = ("restart", "gap", "born", "lost", "late", "hidden", "twice", "fraction", "ends", "new", "stale")
        self.of = {kind: draw.choice([0.01, 0.05, 0.2]) for kind in draw.sample(kinds, self.trouble)}
        by_service = any(rule.label == "service" for rule in self.metric.arms)
        for number in range(draw.randint(1, 3) if by_service else draw.randint(2, 6)):
            new = number > 1 and self._happens(draw, "new", 10)
            begin = FLOOR + draw.randrange(200_000) if new else FLOOR - 200_000
            arm: Arm = "canary" if number % 2 else "stable"
            page = Page(f"checkout-{'new' if arm == 'canary' else 'old'}-{number}", arm, begin)
            self._show(draw, page, ("canary", "stable") if by_service else ("",))
            self.pages.append(page)

    def _happens(self, draw: Random, kind: str, times: int = 1) -> bool:
        return draw.random() < times * self.of.get(kind, 0)

    def _show(self, draw: Random, page: Page, services: Sequence[str]) -> None:
        edges = ("0.1", "0.5", "+Inf") if self.metric is LATENCY else ("",)
        lines: list[tuple[dict[str, str], list[tuple[int, float, int]]]] = []
        for code in ("200", "503"):
            for route in ("a", "b"):
                for service in services:
                    for le in edges:
                        labels = {"__name__": "http_requests_total", "pod": page.pod, "instance": page.pod,
                                  "code": code, "route": route, "service": service, "le": le}  # fmt: skip
                        lines.append(({name: value for name, value in labels.items() if value}, []))
        values = [draw.choice([0.0, 100.0]) if self._happens(draw, "born", 5) else 100.0 for _ in lines]
        shift, end = (
            draw.randrange(SCRAPE),
            END if not self._happens(draw, "ends", 3) else END - draw.randrange(300_000),
        )
        for at in range(page.started + shift, end, SCRAPE):
            if self._happens(draw, "restart"):
                page.restarts.append(at - 1)
                values = [0.0] * len(lines)
            step = sorted(draw.choices([0, 0, 1, 5], k=len(edges)))
            for number in range(len(lines)):
                values[number] += step[number % len(edges)] * (0.3 if "fraction" in self.of else 1)
            if self._happens(draw, "gap"):
                continue
            for number, (_, samples) in enumerate(lines):
                if self._happens(draw, "lost") or (not values[number] and "born" in self.of):
                    continue
                ready = at + (draw.randrange(40_000) if self._happens(draw, "late") else 0)
                if not samples and self._happens(draw, "hidden", 5):
                    ready = at + draw.randrange(19_000)
                when = at + (draw.randrange(400) if self._happens(draw, "stale") else 0)
                samples += [(when, values[number], ready)] * (2 if self._happens(draw, "twice") else 1)
        page.series = lines

    def answer(self, now: int, since: int, until: int) -> list[Series]:
        found = []
        for page in self.pages:
            for labels, samples in page.series:
                seen = [(at, value) for at, value, ready in samples if since <= at <= until and ready <= now]
                if seen:
                    found.append(Series(labels, [at for at, _ in seen], [value for _, value in seen]))
        return found


@dataclass
class Seen:
    """How many windows were counted as ordinary ones, and how many by their series alone."""

    ordinary: int = 0
    odd: int = 0


def windows(world: World, rule: AnalysisPlan, interval: int) -> Iterator[tuple[Counts | None, Counts | int]]:
    """What both ways give for each window of a run that is led by the way of series; None where something is odd."""
    metric = rule.metrics[0]
    state = RunState(observed(stage_started=FLOOR), 10**9, ends_stage=FLOOR, scrape_ms=SCRAPE)
    for now in range(FLOOR + 45_000, END + 60_000, interval):
        end = now - SCRAPE
        window = span(state, rule, metric, end)
        if window is None:
            continue
        before = state.progress.get(metric.name)
        reach = reach_ms(window, SCRAPE, before)
        pods = {page.pod: (page.arm, page.started) for page in world.pages if page.started <= now}
        restarted: Mapping[str, int] = {page.pod: sum(at <= now for at in page.restarts) for page in world.pages}
        series = world.answer(now, end - reach, end)
        for last in (False, True):
            fetched = Fetched(end - reach, last, before)
            names = tuple([tuple(one.labels.items()) for one in series])
            asked = MetricWindow(rule, metric, window, pods, SCRAPE, restarted, fetched, names)
            each = measure_each(asked, series)
            yield measure_ordinary(asked, series), each
            if isinstance(each, tuple):
                break
        assert isinstance(each, tuple)
        measured, progress = each
        if measured.window is not None and progress is not None:
            kept = unpacked(json.loads(json.dumps(packed(progress))))
            state = replace(state, ends={metric.name: measured.window.end}, progress={metric.name: kept})


METRICS = (ERRORS, LATENCY, BY_ROUTE, ERRORS.model_copy(update={"arms": BY_SERVICE}))


def compared(seed: int, metric: PlanMetric, trouble: int, interval: int, warmup: float, others: int = 0) -> Seen:
    seen = Seen()
    more = tuple(metric.model_copy(update={"name": f"other-{number}"}) for number in range(others))
    rule = plan(metrics=(metric, *more), interval=SCRAPE / 1000, warmup=warmup)
    for ordinary, each in windows(World(seed, metric, trouble), rule, interval):
        if ordinary is None:
            seen.odd += isinstance(each, tuple) and each[0].status == "ok"
            continue
        assert ordinary == each
        assert isinstance(each, tuple)
        assert ordinary[0].model_dump_json() == each[0].model_dump_json(), "pods in the same order"
        seen.ordinary += 1
    return seen


@settings(max_examples=60)
@example(242228287, ERRORS, 4, 35_000, 60.0, 0).via("a series that is counted up to another time than its process")
@example(4251184475, LATENCY, 1, 10_000, 60.0, 0).via("a pod that is not warm")
@given(
    st.integers(0, 2**32),
    st.sampled_from(METRICS),
    st.integers(0, 5),
    st.sampled_from([10_000, 15_000, 35_000]),
    st.sampled_from([0.0, 60.0]),
    st.sampled_from([0, 0, 150]),
)
def test_the_ordinary_case_gives_what_counting_series_by_series_gives(
    seed: int, metric: PlanMetric, trouble: int, interval: int, warmup: float, others: int
) -> None:
    compared(seed, metric, trouble, interval, warmup, others)


@pytest.mark.parametrize("metric", METRICS)
def test_where_nothing_happens_all_windows_but_the_first_are_ordinary(metric: PlanMetric) -> None:
    seen = compared(1, metric, trouble=0, interval=15_000, warmup=0.0)
    assert seen.ordinary > 20
    assert seen.odd == 0


def test_a_window_in_which_something_is_odd_is_counted_series_by_series() -> None:
    world = World(7, ERRORS, trouble=0)
    labels, samples = world.pages[0].series[0]
    world.pages[0].series[0] = labels, [sample for number, sample in enumerate(samples) if number != 30]
    rule = plan(metrics=(ERRORS,), interval=SCRAPE / 1000)
    odd = [each for ordinary, each in windows(world, rule, 15_000) if ordinary is None]
    assert 2 <= len(odd) <= 10, "of a scrape that one series lacks, as long as it is read"


def test_labels_that_are_known_by_another_name_are_read_anew() -> None:
    def counts(code: str, name: bytes) -> Mapping[str, tuple[int, int]]:
        labels = [{"pod": f"checkout-{arm}-1", "instance": arm, "code": code} for arm in ("new", "old")]
        series = [Series(one, [FLOOR, FLOOR + SCRAPE], [1.0, 5.0]) for one in labels]
        window = span(RunState(observed(stage_started=FLOOR - 60_000), 0), plan(), ERRORS, FLOOR + SCRAPE)
        assert window is not None
        found = measure_on(
            MetricWindow(plan(), ERRORS, replace(window, begin=FLOOR), {}, SCRAPE, {}, Fetched(), name), series
        )
        assert isinstance(found, tuple)
        assert isinstance(found[0], Proportion)
        return found[0].canary

    assert counts("200", b"one") == {"": (0, 4)}
    assert counts("503", b"two") == {"": (4, 4)}
