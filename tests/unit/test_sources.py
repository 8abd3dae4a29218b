"""Each policy of docs/how-to/sources.md, from its text to counts, on series as the sources' own projects show them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from serinus_collecting.providers import read_providers
from serinus_contracts import AnalysisPlan, Bucketed, Distribution, Measurement, PlanMetric, Proportion, Selector
from serinus_contracts.metric import SourcePreset
from serinus_contracts.period_stores import STORES
from serinus_contracts.plan import Queried
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.resets import Span
from serinus_counting.series import Series, with_pods
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import Stage
from serinus_runtime.documents import DocumentError

from tests.support import RUN

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "how-to" / "sources.md").read_text(), re.DOTALL)
EXAMPLES = {match[1]: text for text in BLOCKS if (match := re.search(r"metadata: {name: ([a-z-]+)}", text))}
RECORDED = Path(__file__).parent / "sources"
GATED = (Stage(5, 0, (1,), False),)
SPAN = Span(floor=1_000_000, begin=1_010_000, end=1_040_000)
PODS: dict[str, Any] = {"checkout-new-x2z4k": ("canary", 0), "checkout-old-b5dkf": ("stable", 0)}


def recorded(name: str) -> list[Series]:
    found = []
    for line in (RECORDED / f"{name}.prom").read_text().splitlines():
        if line.startswith("#"):
            continue
        text, before, after = line.rsplit(" ", 2)
        selector = Selector.parse(text)
        labels = {matcher.label: matcher.value for matcher in selector.all_matchers()}
        found.append(Series(labels, [1_005_000, 1_035_000], [float(before), float(after)]))
    return found


def planned(text: str) -> AnalysisPlan:
    (policy,) = load_text(text, "policy.yaml")
    return resolve(policy, RUN, GATED)


def measured(plan: AnalysisPlan, metric: PlanMetric, series: list[Series]) -> Measurement:
    """As the collector does it: what the query selects, counted."""
    assert not isinstance(metric.source, Queried)
    matchers = metric.source.query.all_matchers()
    selected = [one for one in series if all(matcher.matches(one.labels) for matcher in matchers)]
    return measure(MetricWindow(plan, metric, SPAN, PODS, 15_000), with_pods(selected, plan.pod_label(metric)))


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "selectors"])
def test_each_example_counts_both_arms_and_nothing_else(name: str) -> None:
    plan = planned(EXAMPLES[name])
    series = recorded(re.sub("-(by-service|mirrored)$", "", name))
    if name == "istio-mirrored":
        series += [replace(one, labels=one.labels | {"request_mirrored": "true"}) for one in series]
    if name == "haproxy":
        series += recorded("pod-name")
    errors, latency = (measured(plan, metric, series) for metric in plan.metrics[:2])
    assert isinstance(errors, Proportion)
    assert errors.status == "ok", errors.detail
    by_pod = name in ("pod-name", "pod-hash", "opentelemetry", "dotted", "istio", "istio-mirrored", "linkerd")
    assert errors.canary == {"checkout-new-x2z4k" if by_pod else "": (3, 100)}
    assert errors.stable == {"checkout-old-b5dkf" if by_pod else "": (9, 900)}
    assert isinstance(latency, Distribution)
    assert latency.status == "ok", latency.detail
    edges = (0.1, 0.3, 1.2, 5.0) if name == "traefik" else (0.1, 0.5)
    assert tuple(round(edge, 9) for edge in latency.edges) == edges
    assert (sum(latency.canary), sum(latency.stable)) == (100, 900)


def test_selectors_of_ones_own_count_on_the_same_series() -> None:
    plan = planned(EXAMPLES["selectors"])
    errors, latency = (measured(plan, metric, recorded("pod-name")) for metric in plan.metrics)
    assert isinstance(errors, Proportion)
    assert isinstance(latency, Distribution)
    assert errors.canary == {"checkout-new-x2z4k": (3, 100)}
    assert sum(latency.stable) == 900


def test_a_healthy_canary_whose_errors_are_sent_only_when_they_change_is_not_given_its_history() -> None:
    plan = planned(EXAMPLES["service-label"])
    series = []
    for service, errors in (("checkout-canary", 800.0), ("checkout-stable", 9_000.0)):
        labels = {"__name__": "http_requests_total", "service": service, "namespace": "shop"}
        times = [*range(1_005_000, 1_036_000, 10_000)]
        series.append(Series({**labels, "code": "200"}, times, [50_000.0 + 20 * n for n in range(4)]))
        series.append(Series({**labels, "code": "500"}, [times[0], times[-1]], [errors, errors + 1]))
    found = measured(plan, plan.metrics[0], series)
    assert isinstance(found, Proportion)
    assert (found.canary, found.stable) == ({"": (1, 61)}, {"": (1, 61)})


@pytest.mark.parametrize(
    ("preset", "metric", "status"),
    [
        ("opentelemetry", "http_server_request_duration_seconds", "http_response_status_code"),
        ("opentelemetry", "http_server_request_duration", "http_response_status_code"),
        ("opentelemetry", "http.server.request.duration", "http.response.status_code"),
        ("opentelemetry", "http.server.request.duration_count", "http.response.status_code"),
        ("opentelemetry", "http.server.request.duration_seconds_count", "http.response.status_code"),
        ("opentelemetry", "shop.requests_total", "http.response.status_code"),
        ("pod-name", "http_server_duration_milliseconds_count", "http_status_code"),
        ("pod-name", "http_server_duration_milliseconds", "http_status_code"),
        ("pod-name", "http_server_duration_count", "http_status_code"),
        ("pod-name", "shop_requests_total", "status_code"),
    ],
)
def test_what_an_instrumentation_counts_has_its_status_under_each_name_that_servers_give_it(
    preset: str, metric: str, status: str
) -> None:
    text = EXAMPLES["opentelemetry"].replace("preset: opentelemetry", f"preset: {preset}")
    plan = planned(text.replace("preset: http-errors", f"preset: http-errors, metric: {metric}"))
    target = {"__name__": metric, "namespace": "shop"}
    series = [
        Series({**target, "pod": pod, status: code}, [1_005_000, 1_035_000], [0, value])
        for pod in PODS
        for code, value in (("200", 97), ("503", 3))
    ]
    errors = measured(plan, plan.metrics[0], series)
    assert isinstance(errors, Proportion), errors.detail
    assert errors.canary == {"checkout-new-x2z4k": (3, 100)}


@pytest.mark.parametrize("name", ["http_server_duration_bucket", "http_server_duration_seconds_bucket"])
def test_the_unit_of_a_renamed_histogram_is_that_of_the_policy(name: str) -> None:
    text = EXAMPLES["pod-name"].replace("preset: http-latency", f"preset: http-latency, metric: {name}")
    for unit, scale in (("", 1.0), (", unit: ms", 0.001)):
        source = planned(text.replace(name, f"{name}{unit}")).metrics[1].source
        assert isinstance(source, Bucketed)
        assert source.scale == scale


def test_there_is_an_example_of_every_preset() -> None:
    assert set(get_args(SourcePreset)) - STORES.keys() <= EXAMPLES.keys()


def test_a_pod_that_another_label_names_is_told_by_it() -> None:
    text = EXAMPLES["opentelemetry"].replace(
        "preset: opentelemetry", "preset: opentelemetry, label: k8s_pod_name, namespaceLabel: k8s_namespace_name"
    )
    plan = planned(text)
    over_otlp = [
        Series({"k8s_pod_name": labels.pop("pod"), "k8s_namespace_name": labels.pop("namespace")} | labels, t, v)
        for labels, t, v in ((dict(one.labels), one.times, one.values) for one in recorded("opentelemetry"))
    ]
    errors = measured(plan, plan.metrics[0], over_otlp)
    assert isinstance(errors, Proportion)
    assert errors.canary == {"checkout-new-x2z4k": (3, 100)}


@pytest.mark.parametrize("name", ["ingress-nginx", "traefik", "istio-by-service"])
def test_memory_is_told_by_the_pod_whatever_tells_counts_apart(name: str) -> None:
    plan = planned(EXAMPLES[name] + "  - {name: memory, preset: container-memory}\n")
    cadvisor = {"namespace": "shop", "container": "app", "service": "kubelet"}
    series = [
        Series({"__name__": metric, "pod": pod, **cadvisor}, [1_005_000, 1_035_000], [value, value])
        for pod in PODS
        for metric, value in (("container_memory_usage_bytes", 30.0), ("container_spec_memory_limit_bytes", 100.0))
    ]
    found = measured(plan, plan.metrics[2], series)
    assert found.status == "ok", found.detail
    assert found.model_dump()["canary"] == {"checkout-new-x2z4k": 0.3}


def test_a_source_that_knows_no_pods_has_no_past_and_the_others_have() -> None:
    known = {
        name: all(getattr(metric.source, "history", None) for metric in planned(text).metrics[:1])
        for name, text in EXAMPLES.items()
    }
    assert [name for name, has in known.items() if not has] == [
        "istio-by-service",
        "ingress-nginx",
        "traefik",
        "contour",
        "envoy",
        "haproxy",
    ]


@pytest.mark.parametrize(
    ("canary", "series", "told"),
    [
        ("shop", "ns-shop-80@kubernetes", True),
        ("shop", "ns-shop-http@kubernetescrd", True),
        ("shop", "ns-shop-stable-80@kubernetes", False),
        ("ns-shop-http-80@kubernetesgateway", "ns-shop-http-80@kubernetesgateway", True),
    ],
)
def test_a_service_whose_name_begins_like_another_is_not_taken_for_it(canary: str, series: str, told: bool) -> None:
    text = EXAMPLES["traefik"].replace("checkout-canary", canary).replace("checkout-stable", "shop-stable")
    (policy,) = load_text(text, "policy.yaml")
    plan = resolve(policy, RUN.model_copy(update={"namespace": "ns"}), GATED)
    assert (plan.arm({"service": series}, plan.metrics[0]) == "canary") is told


def proxied(name: str, **counts: float) -> list[Series]:
    """Series of a proxy: `name{...}` and what each counted from zero on, by labels as `code_protocol_arm`."""
    found = []
    for key, value in counts.items():
        _, code, protocol, arm = key.split("_")
        labels = {"__name__": name, "instance": "proxy", "code": code, "protocol": protocol,
                  "service": f"checkout-{arm}@file", "proxy": f"checkout-{arm}"}  # fmt: skip
        found.append(Series(labels, [1_005_000, 1_035_000], [0.0, value]))
    return found


def test_a_grpc_canary_behind_traefik_that_fails_is_not_taken_for_a_healthy_one() -> None:
    """Traefik 3.7.15: good calls have code 2, calls that failed before a message 14."""
    text = EXAMPLES["traefik"].replace("checkout-canary", "checkout-canary@file").replace("-stable", "-stable@file")
    plan = planned(text)
    series = proxied(
        "traefik_service_requests_total",
        _14_grpc_canary=5, _2_grpc_canary=24, _2_grpc_stable=270, _502_grpc_canary=1, _14_http_stable=1,
    )  # fmt: skip
    errors = measured(plan, plan.metrics[0], series)
    assert isinstance(errors, Proportion)
    assert (errors.status, errors.canary, errors.stable) == ("ok", {"": (6, 30)}, {"": (0, 271)})


def test_backends_of_haproxy_are_told_by_the_names_that_people_give_them() -> None:
    plan = planned(EXAMPLES["haproxy"])
    series = proxied("haproxy_backend_http_responses_total", _5xx__canary=29, _2xx__canary=184, _2xx__stable=1819)
    errors = measured(plan, plan.metrics[0], series)
    assert isinstance(errors, Proportion)
    assert (errors.canary, errors.stable) == ({"": (29, 213)}, {"": (0, 1819)})


@pytest.mark.parametrize(
    ("name", "before", "after", "complaint"),
    [
        (
            "haproxy",
            ", source: {preset: pod-name}}",
            "}",
            "policy.yaml:9:29: spec.metrics.1.preset: HAProxy knows averages only, no latencies of requests: leave the "
            "metric out, or give it a source of its own such as {preset: pod-name}",
        ),
        (
            "haproxy",
            "latency, source: {preset: pod-name}}",
            "latency, source: {provider: eu}}",
            "policy.yaml:9:62: spec.metrics.1.source.provider: all metrics of a policy come from one provider",
        ),
        (
            "pod-name",
            "preset: http-latency}",
            "preset: http-latency, metric: http_server_duration_milliseconds_bucket}",
            "policy.yaml:8:51: spec.metrics.1.metric: http_server_duration_milliseconds_bucket says milliseconds, and "
            "edges are read as seconds: write unit: ms (or unit: s, where they are seconds whatever the name says)",
        ),
        (
            "selectors",
            "http_request_duration_seconds_bucket{",
            "request_ms_bucket{",
            "request_ms_bucket says milliseconds",
        ),
        ("traefik", ", stable: checkout-stable", "", "preset traefik tells the arms apart by their services: give"),
        ("istio-by-service", ", stable: checkout-stable", "", "canary and stable belong together: give both"),
        ("linkerd", "linkerd}\n  m", "linkerd, canary: x}\n  m", "preset linkerd tells the arms apart without canary"),
        ("ingress-nginx", ", ingress: checkout", "", "ingress is given with preset ingress-nginx, and only there"),
        ("istio", "preset: istio}", "preset: istio, ingress: x}", "ingress is given with preset ingress-nginx"),
        ("ingress-nginx", "ingress: checkout", "ingress: checkout, label: x", "leave label out"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place_with_the_way_out(
    name: str, before: str, after: str, complaint: str
) -> None:
    assert before in EXAMPLES[name]
    with pytest.raises(DocumentError) as refused:
        load_text(EXAMPLES[name].replace(before, after), "policy.yaml")
    assert complaint in str(refused.value)
    assert str(refused.value).startswith("policy.yaml:")


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("pod-name", "metric: http_server_duration_milliseconds_bucket, unit: ms"),
        ("pod-name", "metric: http_server_duration_milliseconds_bucket, unit: s"),
        ("pod-name", "metric: items_bucket"),
        ("linkerd", "metric: response_latency_ms_bucket"),
    ],
)
def test_a_name_in_milliseconds_is_taken_where_the_unit_is_said_or_the_preset_knows_it(name: str, renamed: str) -> None:
    text = EXAMPLES[name].replace("preset: http-latency", f"preset: http-latency, {renamed}")
    (_, latency) = planned(text).metrics
    assert isinstance(latency.source, Bucketed)
    assert (latency.source.scale == 0.001) is ("unit: ms" in renamed or name == "linkerd")


def test_the_example_of_providers_is_read(tmp_path: Path) -> None:
    texts = [text for text in BLOCKS if text.startswith("# providers")]
    for name in ("password", "secret", "ca.crt", "tls.crt", "tls.key", "token"):
        (tmp_path / name).touch()
    read = []
    for text in texts:
        (tmp_path / "providers.yaml").write_text(text)
        read.append(list(read_providers(tmp_path / "providers.yaml")))
    assert read == [["main", "managed", "token"], ["aws", "google", "azure"], ["bank"]]
