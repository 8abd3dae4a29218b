"""A judgement from its first snapshot to its end, on a clock of its own."""

import asyncio
from dataclasses import dataclass

import pytest
from serinus.judge.arms import TwoArms, matchers
from serinus.judge.found_metrics import policy_of
from serinus.judge.plan import plan_of
from serinus.judge.session import Session
from serinus_contracts import AnalysisPlan, VerdictReached
from serinus_contracts.policy import Gate
from serinus_rollouts.resolve import UnfitPolicyError

from tests.unit.cli.judge.processes import RUN, SCRAPE_MS, Processes, version

BEGAN = 1_800_000_000_000
ERRORS = {"name": "errors", "preset": "http-errors", "critical": True}


def plan(seconds: float | None, weight: float = 50, gate: Gate | None = None, **spec: object) -> AnalysisPlan:
    fields = {"metrics": [ERRORS], "interval": 5, "settle": 0, "minimum": 20, **spec}
    return plan_of(policy_of("buy", fields), RUN, weight, seconds, False, gate)


@dataclass
class Clock:
    now: int = BEGAN

    async def sleep(self, seconds: float) -> None:
        self.now += max(1, round(1000 * seconds))


def judged(server: Processes, plan: AnalysisPlan, *, told_weight: bool = False) -> tuple[list[VerdictReached], int]:
    """The verdicts up to a proceed or abort, and how long it took (ms)."""
    clock = Clock()
    arms = TwoArms(server, matchers('version="v2"'), matchers('version="v1"'))
    seconds = plan.stages[0].maximum
    session = Session(
        plan, RUN, arms, seconds, 5, SCRAPE_MS, told_weight=told_weight, clock=lambda: clock.now, sleep=clock.sleep
    )

    async def taken() -> list[VerdictReached]:
        found = []
        async for verdict in session.verdicts(BEGAN):
            found.append(verdict)
            if verdict.verdict != "hold":
                break
        return found

    return asyncio.run(taken()), clock.now - BEGAN


def test_a_bad_canary_is_aborted_with_the_counts_that_show_it() -> None:
    found, _ = judged(Processes([version("v1"), version("v2", errors=0.05)]), plan(600))
    assert found[-1].verdict == "abort"
    assert "errors 5 % against 0.18 % on stable (110 of 2,200; 4 of 2,200)" in found[-1].sentence
    assert found[-1].regressed == ("errors",)


def test_an_equal_canary_is_shown_to_be_no_worse_where_the_traffic_is_enough() -> None:
    found, _ = judged(Processes([version("v1", rate=5000), version("v2", rate=5000)]), plan(600))
    assert (found[-1].verdict, found[-1].reason) == ("proceed", "non_inferior")
    assert found[-1].end - BEGAN >= 20_000


def test_what_is_undecided_when_the_time_is_over_is_a_hold_a_scrape_later_at_most() -> None:
    found, took = judged(Processes([version("v1", rate=5), version("v2", rate=5)]), plan(60))
    assert found[-1].verdict == "hold"
    assert 60_000 <= took <= 60_000 + SCRAPE_MS


@pytest.mark.parametrize(("then", "verdict"), [("abort", "abort"), ("proceed", "proceed"), ("hold", "hold")])
def test_the_policy_says_what_becomes_of_what_is_undecided(then: str, verdict: str) -> None:
    asked = plan(60, onTimeSpent=then)
    found, _ = judged(Processes([version("v1", rate=5), version("v2", rate=5)]), asked)
    assert found[-1].verdict == verdict


@pytest.mark.parametrize("gate", ["noRegression", "nonInferiority"])
def test_nothing_proceeds_without_requests_of_the_canary_or_without_its_series(gate: Gate) -> None:
    for servers in ([version("v1"), version("v2", rate=0)], [version("v1")], [version("v2")], []):
        found, _ = judged(Processes(servers), plan(60, gate=gate))
        assert {one.verdict for one in found} == {"hold"}, servers


def test_nothing_proceeds_while_the_provider_fails_and_the_judgement_goes_on_after_it() -> None:
    down = (BEGAN + 10_000, BEGAN + 100_000)
    found, _ = judged(Processes([version("v1"), version("v2")], down), plan(300, gate="noRegression"))
    during = [one for one in found if one.reason == "provider_error"]
    assert len(during) >= 3
    assert {one.verdict for one in during} == {"hold"}
    assert "Prometheus is not reachable" in during[0].sentence
    assert found[-1].verdict == "proceed"
    assert found[-1].end > down[1]


def test_a_provider_that_never_answers_again_is_a_hold_in_time() -> None:
    down = (BEGAN + 10_000, BEGAN + 10**9)
    found, took = judged(Processes([version("v1"), version("v2")], down), plan(120))
    assert (found[-1].verdict, found[-1].reason) == ("hold", "provider_error")
    assert took <= 120_000 + SCRAPE_MS


def test_another_split_than_the_weight_is_a_hold_only_where_the_weight_was_told() -> None:
    servers = [version("v1", rate=180), version("v2", rate=20)]
    found, _ = judged(Processes(servers), plan(120, gate="noRegression"), told_weight=True)
    assert (found[-1].verdict, found[-1].reason) == ("hold", "sample_ratio_mismatch")
    found, _ = judged(Processes(servers), plan(120, gate="noRegression"))
    assert (found[-1].verdict, found[-1].traffic) == ("proceed", None)


def test_the_stage_of_a_policy_is_the_one_of_the_weight_else_its_last() -> None:
    stages = [{"weight": 5, "gate": "noRegression", "minimum": 30}, {"weight": 50, "minimum": 40}]
    (five,), (other,) = plan(60, 5, stages=stages).stages, plan(60, 37, stages=stages).stages
    assert (five.gate, five.minimum, five.weight) == ("noRegression", 30, 5)
    assert (other.gate, other.minimum, other.weight) == ("nonInferiority", 40, 37)


def test_a_time_that_leaves_nothing_to_judge_is_refused() -> None:
    with pytest.raises(UnfitPolicyError, match="no verdict proceeds before 20 s, the minimum of policy buy, so 20 s"):
        plan(20)


def test_without_a_time_it_is_as_long_as_the_policy_says() -> None:
    assert plan(None, maximum=90).stages[0].maximum == 90
