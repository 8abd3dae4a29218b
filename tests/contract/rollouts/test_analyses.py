"""Steps in which Argo runs something itself, on every cluster alike: we read them rightly and act around them."""

from collections.abc import Iterator
from typing import Any

import pytest
from serinus_controller.domain.decide import Situation, forced
from serinus_controller.domain.observe import outcome_of
from serinus_rollouts.rollout import RolloutView

from tests.contract.rollouts.cluster import Cluster, run
from tests.contract.rollouts.endpoint import Endpoint, endpoint
from tests.contract.rollouts.test_acting import act
from tests.support import plan

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


@pytest.fixture
def asked(cluster: Cluster) -> Iterator[Endpoint]:
    with endpoint(cluster.host) as made:
        yield made


def pulls(asked: Endpoint) -> dict[str, Any]:
    """A metric by which Argo waits for our verdict, as the documentation shows it."""
    return {
        "name": "verdict",
        "interval": "1s",
        "count": 1_000_000,
        "consecutiveSuccessLimit": 1,
        "inconclusiveLimit": 1_000_000,
        "consecutiveErrorLimit": 1_000_000,
        "successCondition": 'result.verdict == "proceed"',
        "failureCondition": 'result.verdict == "abort"',
        "provider": {"web": {"url": asked.url, "jsonPath": "{$}", "timeoutSeconds": 2}},
    }


def once(asked: Endpoint) -> dict[str, Any]:
    """A metric that is measured once."""
    kept = ("name", "successCondition", "failureCondition", "provider")
    return {name: value for name, value in pulls(asked).items() if name in kept} | {"count": 1}


def analysis(template: str) -> dict[str, Any]:
    return {"analysis": {"templates": [{"templateName": template}]}}


def experiment(duration: str) -> dict[str, Any]:
    return {"experiment": {"duration": duration, "templates": [{"name": "canary", "specRef": "canary"}]}}


async def at_analysis(cluster: Cluster, *metrics: dict[str, Any]) -> str:
    """A Rollout whose second template has its analysis under way, between its weight and its gate."""
    template = await cluster.make_template(*metrics)
    name = await cluster.make([{"setWeight": 5}, analysis(template), {"pause": {}}])
    await cluster.release(name)
    await cluster.until(name, lambda seen: seen.step == 1, "the analysis")
    return name


def situation(seen: RolloutView) -> Situation:
    return Situation(seen, run(seen), plan(), 0)


async def test_while_an_analysis_runs_there_is_no_gate_and_its_success_leads_to_the_next(
    cluster: Cluster, asked: Endpoint
) -> None:
    name = await at_analysis(cluster, pulls(asked))
    await cluster.until(name, lambda _: asked.asked >= 2, "Argo to ask")
    seen = await cluster.see(name)
    assert (seen.step, seen.at_gate, seen.pauses) == (1, False, [])
    assert seen.current_step is not None
    assert seen.current_step.kind == "analysis"
    asked.verdict = "proceed"
    told = await act(cluster, "promote", await cluster.at_gate(name, 2))
    assert told.state == "confirmed", told.detail


async def test_an_analysis_that_fails_ends_the_run_as_aborted_by_argo(cluster: Cluster, asked: Endpoint) -> None:
    name = await at_analysis(cluster, pulls(asked))
    asked.verdict = "abort"
    seen = await cluster.aborted(name)
    assert outcome_of(run(seen), seen) == "aborted"
    told = await act(cluster, "abort", seen)
    assert (told.state, told.patch) == ("confirmed", ()), "nothing is left to be sent"


async def inconclusive(cluster: Cluster, asked: Endpoint) -> tuple[str, RolloutView]:
    name = await at_analysis(cluster, once(asked))
    seen = await cluster.until(name, lambda seen: bool(seen.pauses), "the inconclusive pause")
    assert [pause.reason for pause in seen.pauses] == ["InconclusiveAnalysisRun"]
    return name, seen


async def test_an_inconclusive_analysis_is_no_gate_so_neither_verdict_nor_person_promotes_through_us(
    cluster: Cluster, asked: Endpoint
) -> None:
    """Ending that pause would only repeat the analysis."""
    name, seen = await inconclusive(cluster, asked)
    assert (seen.step, seen.phase, seen.at_gate) == (1, "Paused", False)
    assert forced(situation(seen), "c", "alice") is None
    asked.verdict = "proceed"
    await cluster.promote_by_hand(name)
    assert (await cluster.at_gate(name, 2)).step == 2


async def test_an_inconclusive_analysis_can_be_aborted(cluster: Cluster, asked: Endpoint) -> None:
    name, seen = await inconclusive(cluster, asked)
    told = await act(cluster, "abort", seen)
    assert told.state == "confirmed", told.detail
    assert (await cluster.see(name)).pauses == []


async def test_an_experiment_is_no_gate_and_its_end_leads_to_the_next(cluster: Cluster) -> None:
    cluster.needs_experiments()
    name = await cluster.make([{"setWeight": 5}, experiment("3s"), {"pause": {}}])
    await cluster.release(name)
    seen = await cluster.until(name, lambda seen: seen.step == 1, "the experiment")
    assert seen.current_step is not None
    assert (seen.current_step.kind, seen.at_gate) == ("experiment", False)
    assert (await cluster.at_gate(name, 2)).step == 2


# Index of the step at which the abort comes, and the steps, the last of which the Rollout does not leave by itself.
AT: list[tuple[int, list[dict[str, Any]]]] = [
    (0, [{"setWeight": 5}]),
    (1, [{"setWeight": 5}, {"pause": {}}]),
    (1, [{"setWeight": 5}, {"pause": {"duration": "60s"}}]),
    (1, [{"setWeight": 5}, {"analysis": {}}]),
    (1, [{"setWeight": 5}, experiment("60s")]),
    (2, [{"setWeight": 5}, {"setWeight": 50}, {"pause": {}}]),
]


@pytest.mark.parametrize(("step", "steps"), AT, ids=[next(iter(steps[step])) + f"-{step}" for step, steps in AT])
async def test_an_abort_at_each_kind_of_step_brings_all_traffic_back(
    cluster: Cluster, asked: Endpoint, step: int, steps: list[dict[str, Any]]
) -> None:
    if any("experiment" in one for one in steps):
        cluster.needs_experiments()
    made = [analysis(await cluster.make_template(pulls(asked))) if "analysis" in one else one for one in steps]
    name = await cluster.make([*made, {"setWeight": 60}, {"pause": {}}])
    # Pods that are not ready keep Argo at the change of weight.
    await cluster.release(name, tag="latest" if step else "never-ready")
    seen = await cluster.until(name, lambda seen: seen.releasing and seen.step == step, f"step {step}")
    told = await act(cluster, "abort", seen)
    assert told.state == "confirmed", told.detail
    after = await cluster.see(name)
    assert (after.aborted, after.phase, after.canary_weight or 0) == (True, "Degraded", 0)
