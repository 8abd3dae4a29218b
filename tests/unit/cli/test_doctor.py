from dataclasses import replace
from typing import Any

import pytest
from serinus.doctor.checks import Check, about
from serinus.doctor.measured import Pods, Seen, count
from serinus.doctor.metrics import buckets, metrics, power
from serinus.doctor.policy import chosen, from_cluster, speaks_grpc
from serinus_collecting.ports import Answer, Unread, Values
from serinus_contracts import AnalysisPlan, Bucketed, CanaryPolicy, Counted, PlanMetric, Queried, Selector
from serinus_contracts.metric import Conditions, Margin
from serinus_counting.series import Series
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.reading import view

from tests.support import ERRORS, LATENCY, plan

GOOD = {
    "redis_version": "7.4.1", "aof_enabled": 1, "maxmemory_policy": "noeviction",
    "used_memory": 74 << 20, "maxmemory": 100 << 20,
}  # fmt: skip


def states(**changes: object) -> list[str]:
    return [check.state for check in about(GOOD | changes, "redis://r")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["ok", "ok", "ok", "ok"]),
        ({"redis_version": "6.2.14"}, ["failed", "ok", "ok", "ok"]),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, ["ok", "ok", "ok", "ok"]),
        ({"aof_enabled": 0}, ["ok", "failed", "ok", "ok"]),
        ({"maxmemory_policy": "allkeys-lru"}, ["ok", "ok", "failed", "ok"]),
        ({"maxmemory": 0}, ["ok", "ok", "ok", "warning"]),
        ({"used_memory": 75 << 20}, ["ok", "ok", "ok", "warning"]),
    ],
)
def test_what_a_redis_must_be_is_told_by_its_info(changes: dict[str, object], expected: list[str]) -> None:
    assert states(**changes) == expected
    assert all(check.fix for check in about(GOOD | changes, "r") if check.state != "ok")


class Resources:
    """An API server with these policies, or with this error."""

    def __init__(self, *items: dict[str, Any], error: ClusterError | None = None) -> None:
        self.items, self.error = items, error

    async def request(self, method: str, path: str) -> Any:
        if self.error:
            raise self.error
        return {"items": self.items}


def resource(name: str, **spec: object) -> dict[str, Any]:
    fields = {"match": {"name": "checkout"}, "metrics": [{"name": "errors", "preset": "http-errors"}]}
    return {"metadata": {"name": name, "namespace": "shop", "uid": name}, "spec": fields | spec, "status": {}}


@pytest.mark.anyio
async def test_a_wrong_policy_resource_is_named_with_what_is_wrong_beside_those_that_are_right() -> None:
    api: Any = Resources(resource("bad", mode="bold"), resource("good"))
    policies, wrong = await from_cluster(api, "shop")
    assert [one.metadata.name for one in policies] == ["good"]
    (check,) = wrong
    assert (check.state, check.fix) == ("failed", "kubectl edit canarypolicies.serinus.dev -n shop bad")
    assert check.said.startswith("CanaryPolicy shop/bad: spec.mode: ")


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "states"), [(404, []), (403, ["warning"]), (0, ["warning"])])
async def test_policy_resources_that_cannot_be_read_are_told_unless_the_cluster_knows_no_such_kind(
    status: int, states: list[str]
) -> None:
    api: Any = Resources(error=ClusterError("no", status))
    policies, wrong = await from_cluster(api, "shop")
    assert (policies, [one.state for one in wrong]) == ([], states)


def counter(pod: str, code: str, *values: float) -> Series:
    labels = {"__name__": "http_requests_total", "namespace": "shop", "pod": pod, "code": code}
    return Series(labels, [1000 * (i + 1) for i in range(len(values))], values)


def test_live_counts_are_split_into_arms_events_and_trials() -> None:
    series = [
        counter("checkout-new-1", "200", 0, 90),
        counter("checkout-new-1", "500", 0, 10),
        counter("checkout-old-1", "200", 500, 1_500),
        counter("another-old-1", "200", 0, 7),
    ]
    seen = count(plan(), ERRORS, series, 3000)
    assert (seen.canary.events, seen.canary.trials, seen.canary.series) == (10, 100, 2)
    assert (seen.stable.events, seen.stable.trials, seen.stable.series) == (0, 1_000, 1)
    assert seen.scrape_ms == 1000


class Having:
    """A Prometheus with these series of every name."""

    def __init__(self, *series: Series) -> None:
        self.series = series

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        matchers = selector.all_matchers()
        found = [one for one in self.series if all(matcher.matches(one.labels) for matcher in matchers)]
        return Unread(200, b"", lambda *_: Answer(found))


async def examined(*series: Series, metric: PlanMetric = ERRORS, **known: Any) -> Check:
    provider: Any = Having(*series)
    checks, _ = await metrics(plan(metrics=(metric,)), provider, 4000, known.pop("releasing", True), **known)
    return checks[0]


LATENCY_HERE = LATENCY.model_copy(update={"source": Bucketed(query=Selector(name="seconds_bucket"))})


@pytest.mark.anyio
@pytest.mark.parametrize("releasing", [True, False])
@pytest.mark.parametrize(
    ("labels", "metric", "said"),
    [
        ({"verb": "get"}, ERRORS, "has none of the labels code"),
        ({"code": "success"}, ERRORS, "there is code='success'"),
        (
            {"__name__": "seconds_bucket", "vmrange": "0.1...0.11"},
            LATENCY_HERE,
            "no bucket edge in its label le",
        ),
        ({"__name__": "seconds_bucket", "le": "0.1"}, LATENCY_HERE, "canary and stable share no bucket edges"),
    ],
)
async def test_what_every_snapshot_would_refuse_is_never_green(
    labels: dict[str, str], metric: PlanMetric, said: str, releasing: bool
) -> None:
    pods = ("checkout-new-1", "checkout-old-1")
    base = {"__name__": "http_requests_total", "namespace": "shop"}
    series = [Series({**base, "pod": pod, **labels}, [1000, 2000, 3000], [1, 2, 3]) for pod in pods]
    check = await examined(*series, metric=metric, releasing=releasing)
    assert (check.state, said in check.said) == ("failed", True), check.said


@pytest.mark.anyio
async def test_several_processes_behind_one_address_are_found_unless_the_pod_restarted_as_often() -> None:
    stable = counter("checkout-old-1", "200", 500, 20, 510, 30)
    new = counter("checkout-new-1", "200", 0, 1, 2, 3)
    arms: Any = {"checkout-old-1": ("stable", 0), "checkout-new-1": ("canary", 0)}
    check = await examined(new, stable, pods=Pods(arms, {}))
    assert check.state == "failed"
    assert "pod checkout-old-1 fell at 2 scrapes without a restart of it: several processes" in check.said
    assert (await examined(new, stable, pods=Pods(arms, {"checkout-old-1": 2}))).state == "ok"


@pytest.mark.anyio
async def test_the_values_of_a_segment_are_told_and_a_label_that_is_not_there_is_warned_of() -> None:
    by_route = ERRORS.model_copy(update={"segment": "route"})
    stable = counter("checkout-old-1", "200", 500, 600, 700)
    check = await examined(stable, metric=by_route, releasing=False)
    assert (check.state, "no series has the label route" in check.said) == ("warning", True)
    routes = [replace(stable, labels={**stable.labels, "route": route}) for route in ("/", "/pay")]
    check = await examined(*routes, metric=by_route, releasing=False)
    assert (check.state, check.said) == ("ok", "stable 0 of 400 in 2 s, scraped every 1 s; 2 values of route")


@pytest.mark.anyio
async def test_between_releases_stable_is_measured_alone() -> None:
    check = await examined(counter("checkout-old-1", "200", 500, 600, 700), releasing=False)
    assert (check.state, check.said) == ("ok", "stable 0 of 200 in 2 s, scraped every 1 s")


class Services:
    """An API server that has one Service with this port, or refuses."""

    def __init__(self, **port: Any) -> None:
        self.port = port

    async def request(self, method: str, path: str) -> Any:
        assert (method, path) == ("GET", "/api/v1/namespaces/shop/services/checkout-canary")
        if not self.port:
            raise ClusterError("no", 403)
        return {"spec": {"ports": [{"port": 80, **self.port}]}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("port", "speaks"),
    [
        ({"name": "grpc"}, True),
        ({"name": "grpc-shop"}, True),
        ({"name": "web", "appProtocol": "grpc"}, True),
        ({"name": "http", "appProtocol": None}, False),
        ({}, False),
    ],
)
async def test_a_service_says_by_its_ports_that_it_speaks_grpc(port: dict[str, Any], speaks: bool) -> None:
    api: Any = Services(**port)
    assert await speaks_grpc(api, "shop", "checkout-canary") is speaks
    assert not await speaks_grpc(api, "shop", "")


@pytest.mark.anyio
async def test_what_counts_here_is_named_with_what_it_leaves_out() -> None:
    series = [counter(f"checkout-{arm}-1", "200", 1, 2, 3) for arm in ("new", "old")]
    provider: Any = Having(*series)
    _, traps = (await metrics(plan(), provider, 4000, True))[0]
    assert (traps.name, traps.state) == ("traps of errors", "ok")
    assert traps.said.startswith("client_golang promhttp: a handler that panics is in no counter")


@pytest.mark.anyio
@pytest.mark.parametrize(("grpc", "state"), [(False, "warning"), (True, "failed")])
async def test_a_proxy_whose_page_cannot_tell_a_failed_grpc_call_is_a_failure_where_the_service_speaks_it(
    grpc: bool, state: str
) -> None:
    source = Counted(query=Selector(name="haproxy_backend_http_responses_total"), events=(), trials=((),))
    series = [counter(f"checkout-{arm}-1", "2xx", 1, 2, 3) for arm in ("new", "old")]
    series = [replace(one, labels=one.labels | {"__name__": "haproxy_backend_http_responses_total"}) for one in series]
    provider: Any = Having(*series)
    checks, _ = await metrics(
        plan(metrics=(ERRORS.model_copy(update={"source": source}),)), provider, 4000, True, grpc=grpc
    )
    assert [check.state for check in checks] == ["ok", "ok", state]
    assert checks[2].said.startswith("a gRPC call that fails has HTTP status 200 here")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (Values([0.5, None, "+Inf", 3.0]), "ok", "4 values now: 0.5, NaN, inf, ..."),
        (Values([]), "warning", "no value now by sum(up)"),
        (Values([1.0], warnings=["a store is away"]), "failed", "a store is away"),
    ],
)
async def test_a_query_is_asked_as_a_snapshot_asks_it(answer: Values, state: str, said: str) -> None:
    async def values(query: str, at: int) -> Unread[Values]:
        return Unread(200, b"", lambda *_: answer)

    provider: Any = type("Asked", (), {"values": staticmethod(values)})
    source = Queried(query="sum(up)", conditions=Conditions(success="result > 0"))
    (check,), _ = await metrics(plan(metrics=(ERRORS.model_copy(update={"source": source}),)), provider, 4000, True)
    assert (check.state, check.said) == (state, said)


def bucket(le: str, *values: float) -> Series:
    labels = {"__name__": "seconds_bucket", "namespace": "shop", "pod": "checkout-old-1", "le": le}
    return Series(labels, [1000 * (i + 1) for i in range(len(values))], values)


def slow(critical: bool = False) -> tuple[AnalysisPlan, Seen]:
    """A latency nearly all of which lies in one bucket, and what is seen of it."""
    source = Bucketed(query=Selector(name="seconds_bucket"))
    metric = ERRORS.model_copy(
        update={"name": "latency", "source": source, "margin": Margin(ratio=1.2), "critical": critical}
    )
    rule = plan(metrics=(ERRORS.model_copy(update={"critical": True}), metric))
    series = [bucket("0.1", 0, 500), bucket("1", 0, 995), bucket("+Inf", 0, 1000)]
    return rule, count(rule, metric, series, 3000, releasing=False)


def test_what_coarse_buckets_show_is_told_with_the_edges_that_help() -> None:
    rule, seen = slow()
    assert (seen.stable.edges, seen.stable.buckets) == ((0.1, 1.0), (500, 495, 5))
    (check,) = buckets(rule, [seen])
    assert (check.name, check.state) == ("buckets of latency", "warning")
    assert "a slowdown is seen from 10× on, no canary can be proved to be fast enough" in check.said
    assert check.fix == "add edges at 833 ms, or use native histograms"


def test_a_gate_that_such_buckets_keep_shut_is_named() -> None:
    rule, seen = slow(critical=True)
    (check,) = buckets(rule, [seen])
    assert check.said.endswith("; the gate at 50 % can never open")


def test_a_margin_that_no_share_exceeds_is_told_before_the_run() -> None:
    rule = plan(metrics=(ERRORS.model_copy(update={"margin": Margin(ratio=1.25)}),))
    series = [counter("checkout-old-1", "200", 0, 100), counter("checkout-old-1", "500", 0, 900)]
    checks = list(power(rule, [count(rule, ERRORS, series, 3000, releasing=False)]))
    assert {check.state for check in checks} == {"warning"}
    assert checks[0].fix == "a narrower margin: this one allows 112 %, which no share exceeds"


def test_a_metric_that_no_gate_waits_for_is_told_of_the_policy() -> None:
    errors, latency = (
        {"name": "errors", "preset": "http-errors", "critical": True},
        {"name": "latency", "preset": "http-latency"},
    )
    spec = resource("good", metrics=[errors, latency], match={"namespace": "shop", "name": "checkout"})
    policy = CanaryPolicy.model_validate(
        {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "CanaryPolicy",
            "metadata": {"name": "good"},
            "spec": spec["spec"],
        }
    )
    steps = [{"setWeight": 5}, {"pause": {}}]
    seen = view(
        {
            "metadata": {"name": "checkout", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
            "spec": {"strategy": {"canary": {"steps": steps}}},
        }
    )
    told = [check.said for check in chosen([policy], seen)[1] if check.state == "warning"]
    assert any("metric latency: no gate waits for it" in said for said in told)
