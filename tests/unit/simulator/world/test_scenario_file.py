from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from serinus_simulator.world.scenario import Scenario
from serinus_simulator.world.scenario_file import ScenarioError, parse_scenario, read_scenario
from serinus_simulator.world.scenario_traffic import Metrics


def refused(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        parse_scenario(text, "world.yaml")
    return str(error.value).splitlines()


def test_an_empty_file_is_a_world_without_rollouts() -> None:
    assert parse_scenario("") == Scenario()


def test_durations_may_have_units_and_steps_are_argos_own() -> None:
    scenario = parse_scenario(
        """
        prometheus: {scrape_interval: 500ms}
        rollouts:
        - name: checkout
          steps: [{setWeight: 5}, {pause: {duration: 1m}}]
          traffic: {latency: {p50: 60ms, p99: 1m30s}}
          release: [{at: 5, image: v2}]
        """
    )
    (rollout,) = scenario.rollouts
    assert scenario.prometheus.scrape_interval == 0.5
    assert rollout.traffic.latency.p99 == 90.0
    assert rollout.release[0].at == 5.0
    assert rollout.steps == ({"setWeight": 5}, {"pause": {"duration": "1m"}})


def test_edges_may_be_a_list_or_a_geometric_row() -> None:
    assert Metrics(edges=["5ms", 0.1, "1s"]).edges == (0.005, 0.1, 1.0)
    edges = Metrics(edges={"from": "5ms", "to": "5s", "ratio": 1.2}).edges
    assert (edges[0], edges[-1], len(edges)) == (0.005, 5.0, 39)
    assert all(1.17 < upper / lower < 1.23 for lower, upper in itertools.pairwise(edges))


def test_noise_sessions_and_containers_are_off_until_they_are_set() -> None:
    (rollout,) = parse_scenario("rollouts: [{name: a}]").rollouts
    assert (rollout.sessions, rollout.container, rollout.failing) == (None, None, ())
    assert rollout.noise.model_dump() == {
        "shocks": (), "errors": None, "gamma": None, "latency": None, "retries": None
    }  # fmt: skip


def test_sizes_may_have_units() -> None:
    text = "rollouts:\n- name: a\n  container: {memory: {baseline: 1.5Gi, limit: 2G, growth: 300}}\n"
    (rollout,) = parse_scenario(text).rollouts
    assert rollout.container is not None
    memory = rollout.container.memory
    assert (memory.baseline, memory.limit, memory.growth) == (1.5 * 2**30, 2e9, 300.0)


def test_a_misspelt_key_is_named_with_its_place_and_the_key_that_was_meant() -> None:
    text = "rollouts:\n- name: checkout\n  traffic:\n    request_per_second: 5\n"
    assert refused(text) == [
        "world.yaml:4:5: rollouts.0.traffic.request_per_second: unknown field; did you mean requests_per_second?"
    ]


def test_an_unknown_key_that_resembles_nothing_is_answered_with_what_is_known() -> None:
    (line,) = refused("colour: red\n")
    assert line.startswith("world.yaml:1:1: colour: unknown field; known are seed, prometheus, argo")


def test_keys_inside_lists_and_optional_parts_are_suggested_too() -> None:
    text = "rollouts:\n- name: a\n  canary:\n  - {form: {weight: 5}}\n  cold: {second: 5}\n"
    assert refused(text) == [
        "world.yaml:4:6: rollouts.0.canary.0.form: unknown field; did you mean from?",
        "world.yaml:5:3: rollouts.0.cold.seconds: is missing",
        "world.yaml:5:10: rollouts.0.cold.second: unknown field; did you mean seconds?",
    ]


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ("rollouts:\n- namespace: shop\n", "2:3", "rollouts.0.name: is missing"),
        ("prometheus:\n  scrape_interval: fast\n", "2:3", "'fast' is no duration"),
        ("argo:\n  lose_promotes: 2\n", "2:3", "argo.lose_promotes: Input should be less than or equal to 1"),
        (
            "rollouts:\n- name: a\n  canary: [{from: {weight: 5, at: 3}}]\n",
            "3:13",
            "exactly one of at, after and weight",
        ),
        (
            "rollouts:\n- name: a\n  traffic: {latency: {p50: 1s, p99: 1s}}\n",
            "3:13",
            "p50 must be above 0 and below p99",
        ),
        ("rollouts:\n- name: a\n  metrics: {edges: [1s, 5ms]}\n", "3:3", "edges must be above 0 and go upwards"),
        ("rollouts:\n- {name: a}\n- {name: a}\n", "1:1", "two rollouts are named default/a"),
        ("rollouts:\n- name: a\n  container: {memory: {limit: big}}\n", "3:24", "'big' is no size"),
        ("rollouts:\n- name: a\n  noise: {errors: {sd: 1, correlation: 1}}\n", "3:27", "less than 1"),
        ("argo: {version: 1.8}\n", "1:8", "argo.version: Input should be '1.9.1' or 'master'"),
        ("rollouts: 5\n", "1:1", "rollouts: Input should be a valid tuple"),
        ("- a\n", "1:1", "scenario: Input should be a valid dictionary"),
    ],
)
def test_wrong_values_are_named_with_their_place(text: str, place: str, part: str) -> None:
    (line,) = refused(text)
    assert line.startswith(f"world.yaml:{place}: ")
    assert part in line


def test_yaml_that_is_none_is_named_with_its_place() -> None:
    (line,) = refused("rollouts: [\n")
    assert line.startswith("world.yaml:2:1: ")


def test_a_file_that_is_not_there_is_a_scenario_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        read_scenario(tmp_path / "none.yaml")


def test_the_demo_is_four_rollouts_of_which_one_fails_one_falls_silent_and_one_is_slower() -> None:
    demo = read_scenario(Path(__file__).parents[4] / "examples" / "demo.yaml")
    assert [rollout.name for rollout in demo.rollouts] == ["checkout", "payments", "search", "cart"]
    checkout, payments, search, cart = demo.rollouts
    assert not checkout.canary
    assert (payments.canary[0].when.weight, payments.canary[0].error_rate) == (10, 0.01)
    assert search.vanish[0].when.weight == 5
    assert cart.canary[0].latency_factor == 1.4
    for rollout in demo.rollouts:
        assert [step["setWeight"] for step in rollout.steps if "setWeight" in step] == [1, 5, 10, 25, 50]
        assert 4 <= rollout.replicas <= 6


def test_a_change_of_a_route_that_traffic_does_not_have_is_refused() -> None:
    text = "rollouts: [{name: a, traffic: {routes: {/: 1}}, canary: [{routes: {/pay: 0.1}}]}]"
    with pytest.raises(ScenarioError, match="a change names routes that traffic does not have: /pay"):
        parse_scenario(text)
