"""Whatever can be read when, the windows of a stage add up to what the scrapes have shown, or say that they do not."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_collecting.collected_run import CollectedRun
from serinus_collecting.ports import Answer, Unread, Values
from serinus_contracts import MetricsCollected, PlanMetric, Proportion, Selector
from serinus_contracts.base import Arm
from serinus_contracts.events import Distribution, Pod
from serinus_counting.series import Series
from serinus_counting.windows import RunState

from tests.support import ERRORS, LATENCY, observed, plan

FLOOR = 1_000_000
SCRAPE = 10_000
SHOWN_MS = 19_000
"""A new series can be read before the snapshot after next, which a server must do for it to be counted."""


@dataclass
class Line:
    """One series: when each sample was taken and from when it can be read, and what all scrapes had shown by then."""

    labels: dict[str, str]
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    truth: list[tuple[int, int]] = field(default_factory=list)
    value: int = 0
    shown: int = 0
    total: int = 0
    readable: int = 0

    def scrape(self, at: int, readable: int) -> None:
        self.total += self.value - self.shown
        self.shown = self.value
        self.readable = max(self.readable, readable)
        self.samples.append((at, self.readable, self.value))
        self.truth.append((at, self.total))

    def until(self, at: int) -> int:
        return next((total for time, total in reversed(self.truth) if time <= at), 0)


@dataclass
class Server:
    """Answers with what can be read at `now`."""

    lines: Sequence[Line]
    now: int = 0
    asked: list[int] = field(default_factory=list)

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        self.asked.append(reach_ms)
        found = []
        for line in self.lines:
            shown = [(at, value) for at, ready, value in line.samples if ready <= self.now]
            seen = [(at, value) for at, value in shown if end - reach_ms <= at <= end]
            if seen:
                found.append(Series(line.labels, [at for at, _ in seen], [float(value) for _, value in seen]))
        return Unread(200, b"", lambda *_: Answer(found))

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        raise NotImplementedError

    async def values(self, query: str, at: int) -> Unread[Values]:
        raise NotImplementedError


def taken(
    lines: Sequence[Line], pods: Sequence[Pod], times: Sequence[int], metric: PlanMetric = ERRORS,
    restarts: Sequence[tuple[int, str]] = (), gone: Mapping[str, int] = MappingProxyType({}),
) -> Sequence[MetricsCollected]:  # fmt: skip
    """Snapshots at these times. `restarts`: when containers of a pod restarted, as Kubernetes tells; `gone`: when a pod
    was deleted."""
    server, asked = Server(lines), plan(metrics=(metric,), interval=SCRAPE / 1000)
    until = FLOOR + 10**9
    collected = CollectedRun(asked, RunState(observed(), until, follows=1, scrape_ms=SCRAPE), server, 5.0)

    async def take() -> None:
        for now in times:
            server.now = now
            seen = [pod for pod in pods if (pod.started or 0) <= now < gone.get(pod.name, now + 1)]
            told = [
                pod.model_copy(update={"restarts": sum(at <= now and name == pod.name for at, name in restarts)})
                for pod in seen
            ]
            await collected.collect(observed(pods=tuple(told), stage_started=FLOOR), until, now)

    asyncio.run(take())
    return collected.snapshots


def counted(found: Sequence[MetricsCollected]) -> dict[str, tuple[int, int]]:
    """Events and trials of all windows by arm."""
    total = {"canary": [0, 0], "stable": [0, 0]}
    for snapshot in found:
        one = snapshot.metrics["errors"]
        assert isinstance(one, Proportion)
        for arm, pods in (("canary", one.canary), ("stable", one.stable)):
            for events, trials in pods.values():
                total[arm][0] += events
                total[arm][1] += trials
    return {arm: (events, trials) for arm, (events, trials) in total.items()}


def labels(pod: str, code: str = "200", **other: str) -> dict[str, str]:
    return {"__name__": "http_requests_total", "pod": pod, "instance": pod, "code": code, **other}


def truth(lines: Sequence[Line], since: int) -> dict[str, tuple[int, int]]:
    """What the scrapes have shown since a time."""
    total = {"canary": [0, 0], "stable": [0, 0]}
    for line in lines:
        arm = "canary" if "-new-" in line.labels["pod"] else "stable"
        shown = line.total - line.until(since)
        total[arm][0] += shown * line.labels["code"].startswith("5")
        total[arm][1] += shown
    return {arm: (events, trials) for arm, (events, trials) in total.items()}


@dataclass
class World:
    """Pods of both arms that come, go, restart, miss scrapes and err now and then, and samples that come late."""

    seed: int
    lines: list[Line] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    restarts: list[tuple[int, str]] = field(default_factory=list)
    end: int = FLOOR + 400_000
    most_hidden: int = SHOWN_MS

    def __post_init__(self) -> None:
        draw = Random(self.seed)
        slow = draw.choice([0, 0, 8_000, 25_000, 45_000])
        hidden = draw.choice([0, 9_000, self.most_hidden])
        for number in range(draw.randint(2, 6)):
            arm: Arm = "canary" if number % 2 else "stable"
            name = f"checkout-{'new' if arm == 'canary' else 'old'}-{number}"
            begin = FLOOR - 200_000 if number < 2 else draw.choice([FLOOR - 60_000, FLOOR + draw.randrange(250_000)])
            end = self.end if number < 2 or draw.random() < 0.6 else begin + draw.randrange(30_000, 200_000)
            self.pods.append(Pod(name=name, arm=arm, started=begin, ready=True))
            self._live(draw, name, begin + draw.randrange(1, SCRAPE), begin, min(end, self.end), slow, hidden)

    def _live(self, draw: Random, name: str, first: int, begin: int, end: int, slow: int, hidden: int) -> None:
        counters = [Line(labels(name, code, route=route)) for code in ("200", "404", "503") for route in ("a", "b")]
        # What tells of restarts is not taken for dropped.
        shards = [min(draw.choice([0, slow]), 20_000), *(draw.choice([0, 0, slow]) for _ in counters[1:])]
        lives, born = 0, dict[int, int]()
        counters[0].value = 10**9
        for at in range(first, self.end + 100_000, SCRAPE):
            going = at < end
            if going and lives < 5 and at > FLOOR and draw.random() < 0.05:
                lives += 1
                self.restarts.append((at - draw.randrange(1, SCRAPE), name))
                for counter in counters:
                    counter.value = counter.shown = 0
                counters[0].value = 10 ** (9 - lives)  # lower than before, so that it can be told
            if at >= end and end < self.end:
                break  # it is gone
            for number, counter in enumerate(counters):
                if going:
                    counter.value += draw.choice([5, 50]) if number < 2 else draw.choice([0, 0, 0, 0, 1, 3])
            if going and draw.random() < 0.06 and not FLOOR < at < FLOOR + 40_000:
                continue  # missed, but not where a base is to be
            for number, counter in enumerate(counters):
                if not counter.value:
                    continue
                age = at - born.setdefault(number, at)
                delay = draw.randint(0, shards[number]) if age > 60_000 else 0
                counter.scrape(at, max(at + delay, born[number] + draw.randint(0, hidden)))
        self.lines += [counter for counter in counters if counter.samples]


def line(pod: str, code: str, *samples: tuple[int, int, int], **other: str) -> Line:
    """Samples as (seconds since the floor, when it can be read, value)."""
    found = Line(labels(pod, code, **other))
    for at, ready, value in samples:
        found.value = value
        if found.shown > value:
            found.shown = 0
        found.scrape(FLOOR + 1000 * at, FLOOR + 1000 * ready)
    return found


def steady(pod: str, last: int, code: str = "200", first: int = -40) -> Line:
    """Scraped each ten seconds, ten requests each time."""
    return line(pod, code, *((at, at, 10_000 + at) for at in range(first, last + 1, 10)))


CALM = steady("checkout-old-1", 190)
BOTH = (Pod(name="checkout-new-1", arm="canary", started=FLOOR - 90_000, ready=True),
        Pod(name="checkout-old-1", arm="stable", started=FLOOR - 90_000, ready=True))  # fmt: skip
TIMES = [FLOOR + 1000 * at for at in (45, 60, 75, 90, 105, 120, 135, 150, 165, 180)]


def of_canary(*lines: Line, metric: PlanMetric = ERRORS, pods: Sequence[Pod] = BOTH) -> tuple[int, int]:
    return counted(taken([*lines, CALM], pods, TIMES, metric))["canary"]


def test_a_sample_that_can_be_read_after_its_snapshot_is_counted_in_the_next_window() -> None:
    ok = steady("checkout-new-1", 140)
    failed = [(at, at + 25 if at == 50 else at, max(0, at)) for at in range(-40, 141, 10)]
    assert of_canary(ok, line("checkout-new-1", "503", *failed)) == (120, 240)


def test_a_new_series_that_was_hidden_from_its_snapshot_counts_from_zero_in_the_next_window_and_once() -> None:
    ok = steady("checkout-new-1", 140)
    born = line("checkout-new-1", "503", (50, 62, 7), *((at, at, 9) for at in range(60, 141, 10)))
    assert of_canary(ok, born) == (9, 129)


def test_what_a_new_series_had_counted_before_it_could_be_read_long_after_is_told_once() -> None:
    ok = steady("checkout-new-1", 140, first=-1_200)
    born = line("checkout-new-1", "503", *((at, max(at, 103), at - 43) for at in range(50, 141, 10)))
    assert of_canary(ok, born) == (97 - 37, 120 + 97 - 37)
    details = [one.metrics["errors"].detail for one in taken([ok, born, CALM], BOTH, TIMES)]
    assert [text for text in details if "series of" in text] == [
        "1 series of checkout-new-1 came too late to be counted from the beginning, up to 37 counts are missing "
        "(a new series is waited for 20 s, others ten minutes at least)"
    ]


def held_back(until: int) -> Sequence[MetricsCollected]:
    """Of a run whose canary's failures are held back from 80 s on until then."""
    failed = ((at, until if 70 < at <= until else at, at + 50) for at in range(-40, until + 201, 10))
    lines = [line("checkout-new-1", "503", *failed),
             *(steady(pod, until + 200) for pod in ("checkout-new-1", "checkout-old-1"))]  # fmt: skip
    return taken(lines, BOTH, range(FLOOR + 45_000, FLOOR + 1000 * (until + 200), 15_000))


def test_a_series_that_is_held_back_for_over_ten_minutes_is_counted_where_there_is_room_to_remember_it() -> None:
    found = held_back(900)
    assert counted(found)["canary"] == (1060, 2120)
    assert not any("came too late" in one.metrics["errors"].detail for one in found)


def test_what_a_series_had_counted_while_it_was_held_back_for_over_an_hour_is_told_once() -> None:
    found = held_back(4_000)
    details = [one.metrics["errors"].detail for one in found]
    assert [text.split(" (")[0] for text in details if "came too late" in text] == [
        "1 series of checkout-new-1 came too late to be counted from the beginning, what they had counted by then is "
        "missing"
    ]
    assert counted(found)["canary"][1] < 2 * 4_170


def test_a_new_pod_that_was_hidden_from_its_snapshot_counts_from_zero() -> None:
    pods = (*BOTH, Pod(name="checkout-new-2", arm="canary", started=FLOOR + 35_000, ready=True))
    born = line("checkout-new-2", "200", (40, 61, 8), *((at, max(at, 61), at) for at in range(50, 141, 10)))
    assert of_canary(steady("checkout-new-1", 140), born, pods=pods) == (0, 120 + 140)


@pytest.mark.parametrize("created", [30, 35, 39])
@pytest.mark.parametrize("every", [2, 5, 15])
def test_a_series_of_which_first_the_zero_of_its_creation_can_be_read_is_counted_once(created: int, every: int) -> None:
    pods = (*BOTH, Pod(name="checkout-new-2", arm="canary", started=FLOOR + 26_000, ready=True))
    after = range(40, 191, 10)
    ok = line("checkout-new-2", "200", (27, 50, 0), *((at, at, 10_000 + at) for at in after))
    failed = line("checkout-new-2", "503", (created, 50, 0), *((at, at, at - 34) for at in after))
    lines = [steady("checkout-new-1", 190), ok, failed, CALM]
    found = taken(lines, pods, range(FLOOR + 45_000, FLOOR + 180_000, 1000 * every))
    assert counted(found)["canary"][0] == failed.until(found[-1].end)


def test_a_pod_that_starts_before_a_window_and_is_scraped_first_inside_it_counts_from_zero() -> None:
    pods = (*BOTH, Pod(name="checkout-new-2", arm="canary", started=FLOOR + 12_000, ready=True))
    born = line("checkout-new-2", "200", *((at, at, at) for at in range(25, 141, 10)))
    assert of_canary(steady("checkout-new-1", 140), born, pods=pods) == (0, 120 + 135)


def test_a_restart_that_comes_late_is_counted_with_what_came_before_and_after_it() -> None:
    ok = steady("checkout-new-1", 140)
    late = {50: 78, 60: 80}
    values = {at: 500 + at if at < 60 else at - 50 for at in range(-40, 141, 10)}
    restarted = line("checkout-new-1", "503", *((at, late.get(at, at), value) for at, value in values.items()))
    found = counted(taken([ok, restarted, CALM], BOTH, TIMES, restarts=[(FLOOR + 55_000, "checkout-new-1")]))
    assert found["canary"][0] == 30 + 90


def test_a_late_sample_from_before_a_change_of_weight_is_in_no_window_of_the_stage_behind_it() -> None:
    ok = steady("checkout-new-1", 140, first=-40)
    failed = [(at, at if at < 10 else max(at, 52), 40 + at) for at in range(-40, 141, 10)]
    found = counted(taken([ok, line("checkout-new-1", "503", *failed), CALM], BOTH, TIMES))
    assert found["canary"] == (120, 240), "from the 20th second on, when the stage has settled"


def test_buckets_of_one_histogram_that_come_by_different_shards_are_counted_to_the_same_scrape() -> None:
    lines = [
        line(pod, "200", *((at, at + (13 if le == "+Inf" and pod == "checkout-new-1" else 0), 100 * at + 9_000)
                           for at in range(-40, 191, 10)), le=le)
        for pod in ("checkout-new-1", "checkout-old-1") for le in ("0.1", "+Inf")
    ]  # fmt: skip
    found = [one.metrics["latency"] for one in taken(lines, BOTH, TIMES, LATENCY)]
    assert "error" not in {one.status for one in found}
    assert sum(one.canary[0] for one in found if isinstance(one, Distribution) and one.canary) == 14_000, (
        "to 160 s, which +Inf shows by 173 s"
    )


@pytest.mark.parametrize("late", [24, 35, 60])
@pytest.mark.parametrize("beside", [(), ("a",)])
def test_a_bucket_that_is_later_than_what_a_process_drops_makes_no_window_look_slow(
    late: int, beside: Sequence[str]
) -> None:
    def bucket(pod: str, le: str, route: str) -> Line:
        delayed = le == "0.1" and route == "b" and pod == "checkout-new-1"
        each = 3 if le == "0.1" else 5
        return line(pod, "200", *((at, at + (late if delayed and 60 <= at <= 120 else 0), 9_000 + each * at)
                                  for at in range(-40, 271, 10)), le=le, route=route)  # fmt: skip

    lines = [
        bucket(pod, le, route)
        for pod in ("checkout-new-1", "checkout-old-1") for le in ("0.1", "+Inf") for route in (*beside, "b")
    ]  # fmt: skip
    found = [one.metrics["latency"] for one in taken(lines, BOTH, [*TIMES, FLOOR + 195_000, FLOOR + 210_000], LATENCY)]
    counts = [one.canary for one in found if isinstance(one, Distribution) and one.status == "ok"]
    assert all(fast * 2 == slow * 3 for fast, slow in counts)
    assert sum(fast for fast, _ in counts) == 3 * 180 * (1 + len(beside))
    assert {one.status for one in found} <= {"ok", "waiting"}


def test_the_same_answer_twice_changes_nothing() -> None:
    lines = [steady("checkout-new-1", 60), line("checkout-new-1", "503", (50, 55, 3), (60, 60, 4)), CALM]
    once = taken(lines, BOTH, TIMES[:3])
    again = taken(lines, BOTH, [at for time in TIMES[:3] for at in (time, time + 1)])
    assert counted(again) == counted(once)


def test_what_is_kept_of_very_many_pods_is_bounded_and_they_are_counted_exactly_all_the_same() -> None:
    pods = [
        Pod(
            name=f"checkout-{'new' if arm == 'canary' else 'old'}-{number}", arm=arm, started=FLOOR - 90_000, ready=True
        )
        for number in range(400)
        for arm in ("canary", "stable")
    ]
    lines = [
        line(pod.name, "200", *((at, at + (15 if at == 70 and pod.name.endswith("7") else 0), 1_000 + min(at, 120))
                                for at in range(-40 + number % 10, 151, 10)))
        for number, pod in enumerate(pods)
    ]  # fmt: skip
    found = taken(lines, pods, [*TIMES, FLOOR + 195_000, FLOOR + 210_000])
    assert counted(found) == truth(lines, FLOOR + 20_000)
    last = [one.metrics["errors"] for one in found if one.metrics["errors"].status == "ok"][-1]
    assert last.detail.startswith("very many processes: they are counted up to a time that all of them show")


def test_several_processes_behind_one_address_are_an_error_until_the_stage_ends() -> None:
    workers = [5_000, 100]
    order = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
    values = [(at, at, workers[which] + at) for at, which in zip(range(-40, 150, 10), order, strict=True)]
    found = taken([line("checkout-new-1", "200", *values), CALM], BOTH, TIMES)
    measured = [(one.status, one.detail[:60]) for one in (each.metrics["errors"] for each in found)]
    first = next(number for number, (status, _) in enumerate(measured) if status not in ("ok", "waiting"))
    assert measured[first] == ("partial", "counters of pod checkout-new-1 fell without a restart of it:")
    assert measured[-1] == ("error", "counters of pod checkout-new-1 fell at 2 scrapes without a r")
    assert "ok" not in {status for status, _ in measured[first:]}


def test_nothing_more_is_counted_of_a_pod_that_is_gone_and_whose_counters_fell_again_and_again() -> None:
    workers, order = [5_000, 100], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1]
    values = [(at, at, workers[which] + at) for at, which in zip(range(-40, 130, 10), order, strict=True)]
    other = Pod(name="checkout-new-2", arm="canary", started=FLOOR - 90_000, ready=True)
    lines = [line("checkout-new-1", "200", *values), steady("checkout-new-2", 190), CALM]
    found = taken(lines, (*BOTH, other), TIMES, gone={"checkout-new-1": FLOOR + 130_000})
    after = [one.metrics["errors"] for one in found if one.end > FLOOR + 120_000]
    assert after[0].detail == "pods that are gone, whose counters fell again and again, left out: 1"
    assert {one.status for one in after} == {"ok"}
    assert counted(found)["canary"] == (0, 150 + 10), "of the one that is gone, the window before its counters fell"


def test_a_page_that_two_scrape_jobs_read_is_an_error_that_names_both() -> None:
    twice = [line("checkout-new-1", "200", *((at, at, at + 900) for at in range(-40, 191, 10)), job=job)
             for job in ("pods", "checkout")]  # fmt: skip
    last = taken([*twice, CALM], BOTH, TIMES)[-1].metrics["errors"]
    assert (last.status, last.detail) == (
        "error",
        "jobs checkout and pods both scrape pod checkout-new-1, so each request is counted twice: leave one of them "
        "out by source.exclude, '{job=\"pods\"}'",
    )


@pytest.mark.parametrize("changed", [{"team": "a"}, {"instance": "10.0.0.7:8080"}])
def test_a_label_that_a_scrape_configuration_sets_in_a_stage_makes_no_counter_new(changed: dict[str, str]) -> None:
    started = tuple(pod.model_copy(update={"started": FLOOR + 1_000}) for pod in BOTH)
    values = [(at, at, 10_000 + at) for at in range(5, 141, 10)]
    before, after = [one for one in values if one[0] < 70], [one for one in values if one[0] > 70]
    lines = []
    for code in ("200", "503"):
        lines += [line("checkout-new-1", code, *before), line("checkout-new-1", code, *after, **changed)]
    lines.append(line("checkout-old-1", "200", *values))
    found = taken(lines, started, TIMES)
    # Under another address it is another target: what came between its last scrape and the first there is not counted.
    lost = 10 if "instance" in changed else 0
    assert counted(found)["canary"] == (120 - lost, 240 - 2 * lost)


def relabelled(world: World, draw: Random, at: int, hidden: int, **changed: str) -> list[Line]:
    """The same lines, those of pods that do not restart near it with other labels from a time on, as new series that
    are hidden at first."""
    pods = {pod.name for pod in world.pods if draw.random() < 0.8} - {
        name for time, name in world.restarts if abs(time - at) < 130_000
    }
    found = []
    for one in world.lines:
        if one.labels["pod"] not in pods:
            found.append(one)
            continue
        before = [sample for sample in one.samples if sample[0] < at]
        after, readable = Line(one.labels | changed), 0
        for time, ready, value in one.samples[len(before) :]:
            readable = max(readable or time + draw.randint(0, hidden), ready)
            after.samples.append((time, readable, value))
        found += [each for each in (Line(one.labels, before), after) if each.samples]
    return found


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([0, 9_000, SHOWN_MS]), st.sampled_from([10_000, 15_000, 35_000]),
       st.sampled_from([{"zone": "z"}, {"instance": "10.0.0.7:8080"}]))  # fmt: skip
def test_a_label_or_address_that_is_set_at_any_time_makes_nothing_count_twice(
    seed: int, hidden: int, interval: int, changed: dict[str, str]
) -> None:
    world = World(seed)
    draw = Random(seed)
    at = FLOOR + draw.randrange(60_000, 300_000)
    lines = relabelled(world, draw, at, hidden, **changed)
    found = taken(lines, world.pods, range(FLOOR + 41_000, world.end + 120_000, interval), restarts=world.restarts)
    began = [one.metrics["errors"].window for one in found if one.metrics["errors"].window]
    have, shown = counted(found), truth(world.lines, began[0].begin if began else world.end)
    assert all(have[arm][of] <= shown[arm][of] for arm in have for of in (0, 1))


@pytest.mark.parametrize("interval", [10, 15])
@pytest.mark.parametrize("since", [50, 60, 70, 80])
def test_a_label_that_a_young_pod_gets_at_one_of_its_first_scrapes_makes_none_of_its_counters_new(
    since: int, interval: int
) -> None:
    pods = (*BOTH, Pod(name="checkout-new-2", arm="canary", started=FLOOR + 35_000, ready=True))
    lines = [steady("checkout-new-1", 140), CALM]
    for code, first in (("200", 400), ("503", 7)):
        values = [(at, at, first + at - 40) for at in range(40, 141, 10)]
        before, after = [one for one in values if one[0] < since], [one for one in values if one[0] >= since]
        lines += [line("checkout-new-2", code, *before), line("checkout-new-2", code, *after, node_name="n1")]
    found = taken(lines, pods, [FLOOR + 1000 * at for at in range(45, 200, interval)])
    assert counted(found)["canary"] == (107, 120 + 500 + 107)


def test_a_series_that_ended_before_a_restart_keeps_no_other_from_going_on_under_a_new_label() -> None:
    restarted = ((FLOOR + 55_000, "checkout-new-1"),)
    ok = [(at, at, 10_000 + at if at < 60 else at) for at in range(-40, 141, 10)]
    failed = [(at, at, 900 if at < 60 else at // 10) for at in range(-40, 141, 10) if at < 60 or at >= 90]
    lines = [CALM]
    for code, values in (("200", ok), ("503", failed)):
        before, after = [one for one in values if one[0] < 80], [one for one in values if one[0] >= 80]
        lines += [line("checkout-new-1", code, *before), line("checkout-new-1", code, *after, team="a")]
    found = taken(lines, BOTH, TIMES, restarts=restarted)
    assert "error" not in {one.metrics["errors"].status for one in found}
    assert counted(found)["canary"] == (14, 30 + 140 + 14)


def test_a_label_that_alone_told_counters_apart_and_is_taken_away_is_an_error_that_names_it() -> None:
    values = [(at, at, 10_000 + at) for at in range(-40, 141, 10)]
    lines = [line("checkout-new-1", "200", *[one for one in values if one[0] < 70], zone=zone) for zone in "ab"]
    lines += [line("checkout-new-1", "200", *[one for one in values if one[0] >= 70]), CALM]
    found = [one.metrics["errors"] for one in taken(lines, BOTH, TIMES) if one.end > FLOOR + 80_000]
    assert found[0].status == "error"
    assert found[0].detail == (
        "the labels of series changed in this stage: zone, which alone told apart counters of pod checkout-new-1, so "
        "what they counted since cannot be told; counted again from the next stage on"
    )
    assert "ok" not in {one.status for one in found}


def of_job(job: str, pod: str, first: int, last: int, **other: str) -> Line:
    """A page as one job has read it: one request a second since the floor."""
    return line(pod, "200", *((at, at, 50 + at) for at in range(first, last + 1, 10)), job=job, **other)


@pytest.mark.parametrize("label", ["job", "service"])
@pytest.mark.parametrize("until", [-10, 0, 10, 20])
def test_a_service_that_selected_stables_pods_until_the_stage_began_is_no_second_count_of_them(
    label: str, until: int
) -> None:
    names = [{"job": "checkout", label: of} for of in ("canary", "stable")]
    lines = [
        of_job(pod="checkout-new-1", first=0, last=190, **names[0]),
        of_job(pod="checkout-old-1", first=-40, last=190, **names[1]),
        of_job(pod="checkout-old-1", first=-40, last=until, **names[0]),
    ]
    found = taken(lines, BOTH, TIMES)
    assert {one.metrics["errors"].status for one in found} == {"ok"}
    assert counted(found)["stable"] == (0, 150)


@pytest.mark.parametrize(("until", "since", "all_of_it"), [(90, 100, 140), (100, 100, 150), (110, 80, 150)])
def test_a_job_that_takes_over_a_page_in_a_stage_goes_on_where_the_other_ended(
    until: int, since: int, all_of_it: int
) -> None:
    pods = (BOTH[1], Pod(name="checkout-new-1", arm="canary", started=FLOOR, ready=True))
    lines = [of_job("pods", "checkout-new-1", 10, until), of_job("checkout", "checkout-new-1", since, 190), CALM]
    found = taken(lines, pods, TIMES)
    assert counted(found)["canary"] == (0, all_of_it)
    assert [one.metrics["errors"].status for one in found[-2:]] == ["ok", "ok"], "told for a while, not to the end"


def test_the_last_scrape_of_a_pod_that_has_ended_is_counted_though_it_lacked_a_series() -> None:
    pods = (*BOTH, Pod(name="checkout-new-2", arm="canary", started=FLOOR - 90_000, ready=True))
    ended = [steady("checkout-new-2", 80), steady("checkout-new-2", 70, "404")]
    assert of_canary(steady("checkout-new-1", 140), *ended, pods=pods) == (0, 120 + 60 + 50)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([10_000, 15_000, 35_000]))
def test_whatever_comes_when_the_windows_of_a_stage_add_up_to_what_its_scrapes_have_shown(
    seed: int, interval: int
) -> None:
    world = World(seed)
    times = range(FLOOR + 41_000, world.end + 120_000, interval)
    found = taken(world.lines, world.pods, times, restarts=world.restarts)
    first = next(one for one in found if one.metrics["errors"].window).metrics["errors"].window
    assert first is not None
    assert counted(found) == truth(world.lines, first.begin)
    assert not any("came too late" in one.metrics["errors"].detail for one in found)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([10_000, 15_000, 35_000]))
def test_whatever_is_hidden_for_longer_is_told_where_it_is_in_no_window(seed: int, interval: int) -> None:
    world = World(seed, most_hidden=90_000)
    times = range(FLOOR + 41_000, world.end + 220_000, interval)
    found = taken(world.lines, world.pods, times, restarts=world.restarts)
    first = next(one for one in found if one.metrics["errors"].window).metrics["errors"].window
    assert first is not None
    have, wanted = counted(found), truth(world.lines, first.begin)
    assert all(one <= other for arm in wanted for one, other in zip(have[arm], wanted[arm], strict=True))
    if have != wanted:
        assert any("came too late" in one.metrics["errors"].detail for one in found)


@pytest.mark.parametrize(("instance", "reach"), [("checkout-new-1", 600_000), ("10.0.0.7:8080", 0)])
def test_a_pushed_counter_that_was_silent_for_minutes_is_not_counted_with_its_history(
    instance: str, reach: int
) -> None:
    ok = line("checkout-new-1", "200", *((at, at, 10_000 + at) for at in range(-600, 141, 10)), instance=instance)
    samples = [(-400, -400, 800), (70, 70, 801)] if reach else [(70, 70, 801)]
    assert of_canary(ok, line("checkout-new-1", "503", *samples, instance=instance))[0] == (1 if reach else 801)
