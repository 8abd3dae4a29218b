"""One run collected in this process, and judged in it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from serinus_collecting.collected_run import CollectedRun
from serinus_collecting.ports import Answer, ProviderError, Unread, Values
from serinus_contracts import MetricsCollected, Proportion, Selector
from serinus_counting.series import Series
from serinus_counting.windows import RunState
from serinus_judging.judged_run import JudgedRun

from tests.support import ERRORS, observed, plan

FLOOR, SCRAPE = 1_000_000, 10_000
PODS = ("checkout-new-1", "checkout-old-1")


@dataclass
class Server:
    """Each pod counts a request a second; asked at a time of `fails`, it does not answer."""

    fails: Sequence[int] = ()
    asked: list[int] = field(default_factory=list)

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        self.asked.append(end)
        if end in self.fails:
            raise ProviderError("away")
        times = [at for at in range(FLOOR, end + 1, SCRAPE) if at >= end - reach_ms]
        series = [
            Series({"__name__": "http_requests_total", "pod": pod, "code": "200"}, times, [at / 1000 for at in times])
            for pod in PODS
        ]
        return Unread(200, b"", lambda *_: Answer(series))

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        raise ProviderError("has no past")

    async def values(self, query: str, at: int) -> Unread[Values]:
        raise NotImplementedError


def collected(server: Server, times: Sequence[int], until: int) -> list[MetricsCollected | None]:
    seen, rule = observed(stage_started=FLOOR), plan(metrics=(ERRORS,), interval=SCRAPE / 1000)
    run = CollectedRun(rule, RunState(seen, until, scrape_ms=SCRAPE), server, 5.0)

    async def collect() -> list[MetricsCollected | None]:
        return [await run.collect(seen, until, now) for now in times]

    found = asyncio.run(collect())
    assert list(run.snapshots) == [one for one in found if one]
    return found


def trials(snapshot: MetricsCollected) -> int:
    measured = snapshot.metrics["errors"]
    assert isinstance(measured, Proportion)
    return sum(n for _, n in measured.canary.values())


def test_a_window_whose_query_failed_is_counted_with_the_next() -> None:
    times = [FLOOR + 60_000, FLOOR + 90_000, FLOOR + 120_000]
    whole = [one for one in collected(Server(), times, FLOOR + 10**6) if one]
    found = [one for one in collected(Server(fails=[FLOOR + 80_000]), times, FLOOR + 10**6) if one]
    assert [one.metrics["errors"].status for one in found] == ["ok", "error", "ok"]
    assert [one.follows for one in found] == [0, *(one.end for one in found[:-1])]
    assert trials(found[2]) == trials(whole[1]) + trials(whole[2]) > 0


def test_nothing_is_collected_beyond_what_is_known_of_the_weight_and_nothing_twice() -> None:
    until, server = FLOOR + 60_000, Server()
    one, again = collected(server, [FLOOR + 90_000, FLOOR + 120_000], until)
    assert one is not None
    assert one.end == until
    assert again is None
    assert set(server.asked) == {until}


def test_what_is_collected_is_judged_in_the_same_process_under_any_plan() -> None:
    found = [one for one in collected(Server(), range(FLOOR + 60_000, FLOOR + 200_000, 30_000), FLOOR + 10**6) if one]
    other = plan(metrics=(ERRORS,), interval=SCRAPE / 1000, maximum=7200)
    judged = JudgedRun(other)
    verdicts = [judged.judge(one) for one in found]
    assert [one.evaluation for one in verdicts] == list(range(1, len(found) + 1))
    assert {one.plan for one in verdicts} == {other.digest} != {found[0].plan}
    assert verdicts[-1].quality.gaps == 0
    assert verdicts[-1].evaluated_requests > 0
    lacking = JudgedRun(other)
    assert [lacking.judge(one) for one in (*found[:2], *found[3:])][-1].quality.gaps == 1
