import time
from collections.abc import Sequence
from typing import Any

import pytest
from serinus_contracts import Bucketed, CanaryPolicy, Counted, Matcher
from serinus_contracts.selector import Labels
from serinus_rollouts.policy_warnings import warnings
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.rollout import PingPong, Step
from serinus_rollouts.stages import Stage, stage_at, stages

from tests.support import RUN
from tests.unit.rollouts.objects import at
from tests.unit.rollouts.test_rollout import MIRROR

GATED = (Stage(5, 0, (1,), False), Stage(50, 2, (3, 4), False))


def policy(**spec: Any) -> CanaryPolicy:
    fields = {
        "match": {"namespace": "shop"},
        "mode": "enforce",
        "metrics": [{"name": "errors", "preset": "http-errors"}],
    }
    return CanaryPolicy.model_validate(
        {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "CanaryPolicy",
            "metadata": {"name": "shop"},
            "spec": fields | spec,
        }
    )


def test_a_stage_reaches_from_one_change_of_weight_to_the_next_and_holds_its_gates() -> None:
    pause = Step("pause")
    steps = [
        Step("analysis"),
        Step("setWeight", 5),
        pause,
        Step("setWeight", 50),
        Step("pause", timed=True),
        pause,
        pause,
    ]
    found = stages(steps)
    assert found == (Stage(5, 1, (2,), False), Stage(50, 3, (5, 6), True))
    assert [stage_at(found, index) for index in range(8)] == [-1, 0, 0, 1, 1, 1, 1, 1]


def test_the_stages_of_a_plan_are_the_rollouts_with_what_the_policy_says_of_them() -> None:
    plan = resolve(policy(stages=[{"weight": 50, "minimum": "30m", "approval": "required"}]), RUN, GATED)
    first, last = plan.stages
    assert (first.minimum, first.maximum, first.gate, first.approval) == (300, 3600, "noRegression", False)
    assert (last.minimum, last.maximum, last.gate, last.approval) == (1800, 3600, "nonInferiority", True)


def test_a_rollout_without_stages_leaves_nothing_to_judge() -> None:
    with pytest.raises(UnfitPolicyError, match="nothing to judge"):
        resolve(policy(), RUN, ())


@pytest.mark.parametrize("weight", [-1, 101, 500])
def test_a_rollout_whose_weights_are_no_percentages_is_refused_in_words(weight: int) -> None:
    with pytest.raises(
        UnfitPolicyError, match=f"Rollout shop/checkout sets a weight of {weight} %, which is no percent"
    ):
        resolve(policy(), RUN, [*GATED, Stage(weight=weight, first_step=4, gates=(), timed=False)])


def test_by_default_pod_names_tell_the_arms_apart_and_need_no_set_up() -> None:
    plan = resolve(policy(), RUN, GATED)
    assert str(plan.metrics[0].source.query) == (
        r'http_requests_total{namespace="shop",pod=~"checkout-new-.*|checkout-old-.*"}'
    )
    assert plan.arm({"pod": "checkout-new-x1"}) == "canary"


def test_service_labels_give_way_to_the_pod_where_a_series_names_it() -> None:
    source = {"preset": "service-label", "canary": "backend-service-canary", "stable": "backend-service-stable"}
    plan = resolve(policy(source=source), RUN, GATED)
    assert 'service=~"backend\\\\-service\\\\-canary|backend\\\\-service\\\\-stable"' in str(
        plan.metrics[0].source.query
    )
    assert plan.arm({"service": "backend-service-canary"}) == "canary"
    assert plan.arm({"service": "backend-service-canary", "pod": "checkout-old-1"}) == "stable"


def test_any_of_the_common_status_labels_tells_an_error() -> None:
    source = resolve(policy(), RUN, GATED).metrics[0].source
    assert isinstance(source, Counted)
    assert source.one_of_labels == ("code", "status", "status_code", "http_response_status_code")
    assert [group[0].matches({"status": "503"}) for group in source.events] == [False, True, False, False]


def test_counters_of_two_names_are_fetched_by_one_query() -> None:
    metric = {
        "name": "conversion",
        "events": "user_conversions_total",
        "trials": "user_sessions_total",
        "better": "higher",
    }
    plan = resolve(policy(metrics=[metric]), RUN, GATED)
    assert str(plan.metrics[0].source.query).startswith('{__name__=~"user_conversions_total|user_sessions_total",')
    assert plan.metrics[0].margin.ratio == 0.95


def test_counters_of_one_name_are_told_apart_by_their_matchers() -> None:
    metric = {"name": "slow", "events": 'calls_total{slow="yes",tier="a"}', "trials": 'calls_total{tier="a"}'}
    source = resolve(policy(metrics=[metric]), RUN, GATED).metrics[0].source
    assert isinstance(source, Counted)
    assert str(source.query).startswith('calls_total{tier="a",namespace="shop"')
    labels = {"__name__": "calls_total", "tier": "a", "slow": "no"}
    assert all(matcher.matches(labels) for matcher in source.trials[0])
    assert not all(matcher.matches(labels) for matcher in source.events[0])


def test_limits_become_shares() -> None:
    metrics = [{"name": "errors", "preset": "http-errors"}, {"name": "latency", "preset": "http-latency"}]
    limits = [{"metric": "errors", "above": 0.1}, {"metric": "latency", "quantile": 0.95, "above": "5s"}]
    errors, latency = resolve(policy(metrics=metrics, limits=limits), RUN, GATED).limits
    assert (errors.name, errors.share) == ("errors above 0.1", 0.1)
    assert latency.name == "latency p95 above 5 s"
    assert (round(latency.share, 9), latency.edge) == (0.05, 5.0)


def test_enforcing_on_timed_pauses_is_pointed_out() -> None:
    timed = (Stage(5, 0, (), True), Stage(50, 2, (3,), False))
    (told,) = warnings(policy(), timed)
    assert "Argo goes on by itself after the timed pauses at 5 %" in told
    assert warnings(policy(mode="guard"), timed) == []


def test_a_stage_that_the_rollout_does_not_have_is_pointed_out() -> None:
    (told,) = warnings(policy(stages=[{"weight": 33}]), GATED)
    assert told == "policy shop has stages that the Rollout does not: 33 %; it has 5 %, 50 %"


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"preset": "pod-hash"},
        {"preset": "service-label", "canary": "checkout-canary", "stable": "checkout-stable"},
    ],
)
def test_the_past_is_that_of_every_revision_but_the_canarys(source: dict[str, str]) -> None:
    metrics = [
        {"name": "errors", "preset": "http-errors"},
        {"name": "latency", "preset": "http-latency"},
        {"name": "conversion", "events": "user_conversions_total", "trials": "user_sessions_total"},
    ]
    run = RUN.model_copy(update={"canary_hash": "7c5d4b6f9"})
    found = resolve(policy(source=source, metrics=metrics), run, GATED)
    names = ("http_requests_total", "http_request_duration_seconds_bucket", "user_sessions_total")
    for metric, name in zip(found.metrics, names, strict=True):
        assert isinstance(metric.source, Counted | Bucketed)
        assert metric.source.history is not None
        matchers = metric.source.history.all_matchers()
        here = {"__name__": name, "namespace": "shop", "rollouts_pod_template_hash": "h", "service": "checkout-stable"}

        def of_the_past(pod: str, *, here: Labels = here, matchers: Sequence[Matcher] = matchers, **other: str) -> bool:
            return all(matcher.matches(here | {"pod": pod} | other) for matcher in matchers)

        assert of_the_past("checkout-6d9f8b7c5-x2z4k")
        assert of_the_past("checkout-bd4kf-x2z4k")
        assert not of_the_past("checkout-7c5d4b6f9-x2z4k"), "the canary's own revision"
        assert not of_the_past("checkout-api-6d9f8b7c5-x2z4k"), "another Rollout"
        assert not of_the_past("checkout-agent-x2z4k"), "pods of a DaemonSet: no drawn name has a vowel"
        assert not of_the_past("ingress-nginx-controller-6d9f8b7c5-x2z4k"), "a proxy's pods are not the Rollout's"
        assert not of_the_past("checkout-6d9f8b7c5-x2z4k", namespace="other")
        by_service = source.get("preset") == "service-label"
        assert of_the_past("checkout-6d9f8b7c5-x2z4k", service="checkout-canary") != by_service


def test_a_metric_of_a_weight_that_the_rollout_does_not_have_is_pointed_out() -> None:
    asked = {"name": "success", "query": "up", "conditions": {"success": "result[0] > 0.9", "weights": [33]}}
    (told,) = warnings(policy(judge={"name": "threshold"}, metrics=[asked]), GATED)
    assert "metric success: the Rollout does not have the weight 33 %" in told


def test_the_weights_of_a_rollout_are_named_in_both_forms() -> None:
    steps = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 250}, {"pause": {}}]
    routing = {"nginx": {}, "maxTrafficWeight": 1000}
    seen = at(spec={"strategy": {"canary": {"steps": steps, "trafficRouting": routing}}})
    found = stages(seen.steps)
    (told,) = warnings(policy(stages=[{"weight": 5}, {"weight": 0.5}]), found, seen)
    assert told == "policy shop has stages that the Rollout does not: 5 %; it has 0.5 % (5 of 1000), 25 % (250 of 1000)"
    assert [stage.weight for stage in resolve(policy(), RUN, found).stages] == [0.5, 25]


def test_what_argo_refuses_and_what_is_not_tested_is_said_beforehand() -> None:
    steps = [MIRROR, {"setWeight": 5}, {"pause": {}}]
    routing = {"istio": {}, "maxTrafficWeight": 1000}
    seen = at(spec={"strategy": {"canary": {"steps": steps, "trafficRouting": routing}}})
    refused, untested = warnings(policy(), stages(seen.steps), seen)
    assert "InvalidSpec: Argo takes a maxTrafficWeight with nginx and plugins only" in refused
    assert "the split of the traffic is not tested" in untested
    assert len(warnings(policy(source={"exclude": '{mirrored="true"}'}), stages(seen.steps), seen)) == 1


def test_what_a_source_excludes_is_left_out_of_every_count_and_of_the_past() -> None:
    plan = resolve(policy(source={"exclude": '{mirrored="true",route=~"in.*"}'}), RUN, GATED)
    (metric,) = plan.metrics
    assert isinstance(metric.source, Counted)
    for query in (metric.source.query, metric.source.history):
        assert 'mirrored!="true",route!~"in.*"' in str(query)
    assert metric.excluding
    assert "excluding" not in resolve(policy(), RUN, GATED).canonical.decode()


PING_PONG = PingPong(canary="reed-pong", stable="reed-ping", fixed=("reed-canary", "reed-stable"))


@pytest.mark.parametrize("named", [("reed-ping", "reed-pong"), ("reed-pong", "reed-ping")])
def test_a_source_by_services_follows_their_roles(named: tuple[str, str]) -> None:
    source = {"preset": "istio", "canary": named[0], "stable": named[1]}
    plan = resolve(policy(source=source), RUN, GATED, PING_PONG)
    (metric,) = plan.metrics
    arms = [plan.arm({"destination_service_name": name}, metric) for name in ("reed-pong", "reed-ping")]
    assert arms == ["canary", "stable"]


def test_a_source_by_services_whose_roles_cannot_be_followed_is_refused_and_says_why() -> None:
    source = {"preset": "envoy", "canary": "cluster-a", "stable": "cluster-b"}
    with pytest.raises(UnfitPolicyError, match="Argo exchanges the Services of pingPong, reed-pong and reed-ping"):
        resolve(policy(source=source), RUN, GATED, PING_PONG)
    metric = {"name": "errors", "preset": "http-errors", "source": source}
    with pytest.raises(UnfitPolicyError, match="name these two, or use a source by pod"):
        resolve(policy(metrics=[metric]), RUN, GATED, PING_PONG)


def test_services_whose_roles_stay_and_sources_by_pod_are_as_they_are() -> None:
    fixed = {"preset": "istio", "canary": "reed-canary", "stable": "reed-stable"}
    for source in (fixed, {"preset": "istio"}):
        assert resolve(policy(source=source), RUN, GATED, PING_PONG) == resolve(policy(source=source), RUN, GATED)


@pytest.mark.parametrize("steps", [[], [Step("setHeaderRoute")], [Step("pause"), Step("pause", timed=True)]])
def test_steps_without_a_weight_have_no_stage(steps: list[Step]) -> None:
    assert stages(steps) == ()
    assert stage_at(stages(steps), 0) == -1


def test_a_pause_before_the_first_weight_is_warned_of_with_who_opens_it() -> None:
    first = [{"setCanaryScale": {"weight": 25}}, {"pause": {}}, {"setWeight": 5}, {"pause": {}}]
    timed = [{"pause": {"duration": "1m"}}, {"setWeight": 5}, {"pause": {}}]
    views = [at(spec={"strategy": {"canary": {"steps": steps}}}) for steps in (first, timed)]
    told = [warnings(policy(), stages(view.steps), view) for view in views]
    assert [[text for text in texts if "first setWeight" in text] for texts in told] == [
        [
            "shop/checkout: step 1 (from 0): a new version waits at a pause before the first setWeight, where nothing "
            "can be judged: a person opens it by `serinus advance shop/checkout` or "
            "`kubectl argo rollouts promote checkout -n shop`"
        ],
        [],
    ]


GRPC = {"containers": [{"name": "app", "ports": [{"name": "http"}, {"name": "grpc-api"}]}]}


@pytest.mark.parametrize("pod", [
    GRPC, {"containers": [{"name": "app", "readinessProbe": {"grpc": {"port": 9000}}}]},
])  # fmt: skip
def test_a_proxy_that_cannot_see_failed_grpc_calls_counts_nothing_of_a_rollout_that_speaks_it(pod: Any) -> None:
    seen = at(spec={"template": {"spec": pod}})
    for preset in ("haproxy", "envoy", "contour"):
        behind = policy(source={"preset": preset, "canary": "a", "stable": "b"})
        (metric, *_) = resolve(behind, RUN, stages(seen.steps), grpc=seen.grpc).metrics
        assert isinstance(metric.source, Counted)
        assert metric.source.blind.startswith("the service speaks gRPC, by ")
        assert any("each snapshot will be an error" in text for text in warnings(behind, stages(seen.steps), seen))
    own = policy(source={"preset": "haproxy", "canary": "a", "stable": "b"},
                 metrics=[{"name": "e", "events": 'x{code="5xx"}', "trials": "x"}])  # fmt: skip
    traefik = policy(source={"preset": "traefik", "canary": "a", "stable": "b"})
    for told in (own, traefik, policy()):
        (metric, *_) = resolve(told, RUN, stages(seen.steps), grpc=seen.grpc).metrics
        assert isinstance(metric.source, Counted)
        assert not metric.source.blind


def test_a_rollout_that_does_not_say_that_it_speaks_grpc_is_counted_by_any_proxy() -> None:
    assert at(spec={"template": {"spec": {"containers": [{"ports": [{"name": "http"}]}, None]}}}).grpc == ""
    assert at().grpc == ""


def test_a_rollout_of_very_many_weights_is_not_judged_and_says_so() -> None:
    found = [Stage(number % 100, 2 * number, (2 * number + 1,), False) for number in range(101)]
    with pytest.raises(UnfitPolicyError, match="sets 101 weights, at most 100 are judged"):
        resolve(policy(), RUN, found)


def test_the_largest_policy_is_resolved_at_once_and_no_plan_fills_redis() -> None:
    labels = ",".join(f'l{number}="{"v" * 10}"' for number in range(20))
    metrics = [{"name": f"m{number}", "events": f"e{{{labels}}}", "trials": f"t{{{labels}}}"} for number in range(50)]
    found = [Stage(number, 2 * number, (2 * number + 1,), False) for number in range(100)]
    began = time.process_time()
    with pytest.raises(UnfitPolicyError, match="at most 256 are judged: write fewer metrics"):
        resolve(policy(metrics=metrics), RUN.model_copy(update={"name": "r" * 253}), found)
    # It was 39 s for what was accepted before, and the leader stands still meanwhile.
    assert time.process_time() - began < 1
