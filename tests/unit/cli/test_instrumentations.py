"""Each row of the table of instrumentations: the library's page in, the true counts out, by what `init` proposes."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from serinus.doctor.first_policy import write
from serinus.doctor.measured import count
from serinus_collecting.answers import counted
from serinus_collecting.ports import Answer, Unread
from serinus_collecting.prometheus import MAX_SERIES, _read_answer
from serinus_contracts import AnalysisPlan, Selector
from serinus_contracts.metric import SourcePreset
from serinus_contracts.period_stores import STORES
from serinus_counting.series import Series
from serinus_rollouts.instrumentations import TABLE, Instrumentation, preset_names, rows_of
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.resolve import resolve
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import stages

from tests.support import RUN
from tests.unit.rollouts.objects import at

PAGES = Path(__file__).parents[1] / "sources" / "pages"
RECORDED = [row for row in TABLE if row.recorded]
PROXIES = [row for row in RECORDED if row.preset in ("traefik", "envoy", "haproxy") or row.name == "Cilium, Hubble"]
LIBRARIES = [row for row in RECORDED if row not in PROXIES]
NOW = 1_000_000
PODS = ("checkout-new-x2z4k", "checkout-old-b5dkf")


def slug(row: Instrumentation) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", row.name.lower())


def page(name: str, pods: tuple[str, ...] = PODS) -> list[Series]:
    """What a Prometheus has that scraped it before and after its traffic, for each of these pods."""
    found = []
    times = [NOW - 60_000, NOW - 30_000, NOW]
    for line in (PAGES / f"{name}.prom").read_text().splitlines():
        if line.startswith("#"):
            continue
        text, value = line.rsplit(" ", 1)
        labels = {matcher.label: matcher.value for matcher in Selector.parse(text).all_matchers()}
        for pod in pods:
            target = {"namespace": "shop", "pod": pod, "instance": f"{pod}:8080", "job": "shop"}
            found.append(Series({**labels, **target}, times, [0.0, float(value), float(value)]))
    return found


def shown(name: str) -> tuple[int, int, int]:
    """Requests, those that failed, and durations, as the page's head says."""
    head = re.search(
        r"^# Shows: requests (\d+), failed (\d+)(?:, durations (\d+))?$",
        (PAGES / f"{name}.prom").read_text(),
        re.MULTILINE,
    )
    assert head is not None
    return int(head[1]), int(head[2]), int(head[3] or 0)


class Having:
    """A Prometheus that has these series."""

    def __init__(self, series: list[Series]) -> None:
        self.series = series

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        matchers = selector.all_matchers()
        found = [one for one in self.series if all(matcher.matches(one.labels) for matcher in matchers)]
        return Unread(200, b"", lambda *_: Answer(found))


def proposed(series: list[Series], seen: RolloutView | None = None, **known: Any) -> tuple[str, list[str]]:
    provider: Any = Having(series)
    services = known.pop("services", ("", ""))
    return asyncio.run(write(provider, seen or at(), services, NOW, **known))


def planned(text: str) -> AnalysisPlan:
    (policy,) = load_text(text, "policy")
    return resolve(policy, RUN, stages(at().steps))


def measurements(text: str, series: list[Series]) -> dict[str, Any]:
    plan = planned(text)
    found = {}
    for metric in plan.metrics:
        matchers = metric.source.query.all_matchers()  # type: ignore[union-attr]
        selected = [one for one in series if all(matcher.matches(one.labels) for matcher in matchers)]
        found[metric.name] = count(plan, metric, counted(plan, metric, Answer(selected)), NOW)
    return found


@pytest.mark.parametrize("row", LIBRARIES, ids=slug)
def test_the_page_of_each_instrumentation_gives_its_true_counts_by_the_policy_that_init_writes(
    row: Instrumentation,
) -> None:
    series = page(slug(row))
    text, notes = proposed(series)
    requests, failed, durations = shown(slug(row))
    found = measurements(text, series)
    for arm in (found["errors"].canary, found["errors"].stable):
        assert (arm.events, arm.trials) == (failed, requests), text
    if durations:
        latency = found["latency"].stable
        assert sum(latency.buckets) == durations
        scale = 0.001 if row.names.milliseconds else 1
        assert latency.edges == pytest.approx([edge * scale for edge in row.edges])
    assert ("latency" in found) is bool(durations)
    assert not row.traps or any(row.traps in note for note in notes)


@pytest.mark.parametrize("row", PROXIES, ids=slug)
def test_the_page_of_each_proxy_gives_the_true_counts_of_both_arms_by_the_policy_that_init_writes(
    row: Instrumentation,
) -> None:
    text = (PAGES / f"{slug(row)}.prom").read_text()
    head = re.search(r"^# Shows: canary (\d+), failed (\d+), stable (\d+), failed (\d+)$", text, re.MULTILINE)
    assert head is not None
    canary, canary_failed, stable, stable_failed = map(int, head.groups())
    series = page(slug(row), ("proxy-1",))
    ends = "@file" if row.preset == "traefik" else ""
    proposal, notes = proposed(series, services=(f"checkout-canary{ends}", f"checkout-stable{ends}"))
    assert (f"preset: {row.preset}, canary" if row.preset != "pod-name" else "label: destination_pod") in proposal
    errors = measurements(proposal, series)["errors"]
    assert (errors.canary.events, errors.canary.trials) == (canary_failed, canary)
    assert (errors.stable.events, errors.stable.trials) == (stable_failed, stable)
    if row.edges:
        latency = measurements(proposal, series)["latency"]
        assert (sum(latency.canary.buckets), sum(latency.stable.buckets)) == (canary, stable)
        scale = 0.001 if row.names.milliseconds else 1
        assert latency.stable.edges == pytest.approx([edge * scale for edge in row.edges])
    assert any(row.traps in note for note in notes)
    assert not row.blind or any(row.blind in note for note in notes)


def test_requests_that_are_counted_twice_are_not_proposed_and_the_cure_is_told() -> None:
    text, notes = proposed(page("counted-twice"))
    assert "events: 'errors_total'" in text
    (told,) = [note for note in notes if "cannot be judged" in note]
    assert told.startswith(
        "http_server_request_duration_seconds_count cannot be judged: a process counts under several"
    )


MEMORY = "container_memory_usage_bytes"
LARGE = {
    "at most 20,000 are counted": (200, {"resultType": "matrix", "result": [{}] * (MAX_SERIES + 1)}, {}),
    "too many samples": (422, None, {"errorType": "execution", "error": "too many samples"}),
}


class HavingMuchMemory(Having):
    """Of the memory it has too much for one answer, in the Rollout's namespace too unless that is `small`."""

    def __init__(self, series: list[Series], why: str, small: bool) -> None:
        super().__init__(series)
        self.why, self.small = why, small

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        if selector.name != MEMORY or (self.small and selector.matchers):
            return await super().samples(selector, end, reach_ms)
        status, data, error = LARGE[self.why]
        outcome = {"status": "error" if error else "success", "data": data, **error}
        return Unread(status, json.dumps(outcome).encode(), _read_answer)


@pytest.mark.parametrize("why", LARGE)
@pytest.mark.parametrize("small", [True, False])
def test_a_name_of_very_many_series_is_asked_in_the_namespace_or_left_out_with_a_note(why: str, small: bool) -> None:
    memory = Series({"__name__": MEMORY, "namespace": "shop", "pod": PODS[0]}, [NOW - 30_000, NOW], [1, 1])
    provider: Any = HavingMuchMemory([*page("client_golang-promhttp"), memory], why, small)
    text, notes = asyncio.run(write(provider, at(), ("", ""), NOW))
    assert "{name: errors, preset: http-errors, critical: true}" in text
    told = [note for note in notes if note.startswith(MEMORY)]
    assert all(why in note for note in told)
    assert ("preset: container-memory" in text, len(told)) == ((True, 0) if small else (False, 1))


def test_a_status_in_words_is_not_proposed_and_what_was_seen_is_told() -> None:
    series = [
        Series({"__name__": "http_requests_total", "namespace": "shop", "pod": pod, "status": status}, [1, NOW], [0, 9])
        for pod in PODS
        for status in ("success", "error")
    ]
    text, notes = proposed(series)
    assert "preset: http-errors" not in text
    assert any("there is status='error', status='success'" in note for note in notes)


def test_what_counts_now_goes_before_what_an_earlier_revision_has_left() -> None:
    """A service that went from one library to another: both are there for some minutes."""
    left = [replace(one, times=[NOW - 200_000, NOW - 170_000, NOW - 140_000]) for one in page("client_golang-promhttp")]
    text, _ = proposed([*left, *page("go-grpc-middleware")])
    assert "metric: grpc_server_handled_total" in text
    text, _ = proposed(left)
    assert "{name: errors, preset: http-errors, critical: true}" in text


def test_without_a_cluster_the_hash_is_that_of_the_pods_that_are_there() -> None:
    row = RECORDED[0]
    manifest = replace(at(), stable_hash="", current_hash="")
    pods = ("checkout-5d4f7b9c8d-x2z4k", "checkout-5d4f7b9c8d-b5dkf", "checkout-api-6c5b8f7d9c-zzzzz")
    text, _ = proposed(page(slug(row), pods), manifest)
    assert "source: {preset: pod-name}" in text
    assert "{name: errors, preset: http-errors, critical: true}" in text


TRAEFIK = "traefik_service_requests_total"
ENVOY = "envoy_cluster_upstream_rq"


@pytest.mark.parametrize(
    ("labels", "known", "source"),
    [
        (
            {"__name__": TRAEFIK, "code": "200", "service": "shop-stable-80@kubernetes", "pod": "traefik-1"},
            {},
            "{preset: traefik, canary: canary, stable: stable}",
        ),
        (
            {"__name__": TRAEFIK, "code": "200", "service": "traefik", "exported_service": "shop-stable-80@kubernetes"},
            {},
            "{preset: traefik, canary: canary, stable: stable, label: exported_service}",
        ),
        (
            {"__name__": ENVOY, "envoy_response_code": "200", "envoy_cluster_name": "shop_stable_80"},
            {},
            "{preset: contour, canary: canary, stable: stable}",
        ),
        (
            {"__name__": ENVOY, "envoy_response_code": "200", "envoy_cluster_name": "stable"},
            {},
            "{preset: envoy, canary: canary, stable: stable}",
        ),
        (
            {"__name__": "haproxy_backend_http_responses_total", "code": "2xx", "proxy": "stable"},
            {},
            "{preset: haproxy, canary: canary, stable: stable}",
        ),
        (
            {"__name__": "nginx_ingress_controller_requests", "status": "200", "ingress": "shop", "namespace": "shop"},
            {"ingress": "shop"},
            "{preset: ingress-nginx, ingress: shop, namespaceLabel: namespace}",
        ),
        (
            {"__name__": "istio_requests_total", "response_code": "200", "reporter": "destination", "pod": PODS[1],
             "namespace": "shop"},
            {},
            "{preset: istio}",
        ),
        (
            {"__name__": "istio_requests_total", "response_code": "200", "reporter": "source",
             "destination_service_name": "stable", "destination_service_namespace": "shop"},
            {},
            "{preset: istio, canary: canary, stable: stable}",
        ),
        (
            {"__name__": "response_total", "classification": "success", "direction": "inbound", "pod": PODS[1],
             "namespace": "shop"},
            {},
            "{preset: linkerd}",
        ),
        (
            {"__name__": "http_server_request_duration_seconds_count", "http_response_status_code": "200",
             "k8s_pod_name": PODS[1], "k8s_namespace_name": "shop"},
            {},
            "{preset: opentelemetry, label: k8s_pod_name, namespaceLabel: k8s_namespace_name}",
        ),
        (
            {"__name__": "http_requests_total", "status_code": "200", "rollouts_pod_template_hash": "old"},
            {},
            '{preset: pod-hash, namespaceLabel: ""}',
        ),
    ],
)  # fmt: skip
def test_meshes_and_proxies_are_found_by_their_own_names_and_split_by_what_they_know(
    labels: dict[str, str], known: dict[str, Any], source: str
) -> None:
    series = [Series({"job": "x", "instance": "y", **labels}, [NOW - 60_000, NOW - 30_000, NOW], [0, 5, 9])]
    text, _ = proposed(series, services=("canary", "stable"), **known)
    assert f"  source: {source}\n" in text
    assert "{name: errors, preset: http-errors, critical: true}" in text
    planned(text)


def test_every_preset_has_its_names_from_the_table_and_every_row_a_preset() -> None:
    assert {row.preset for row in TABLE} <= set(get_args(SourcePreset))
    by_policy = {"pod-hash", "service-label", *STORES}
    assert {row.preset for row in TABLE} | by_policy == set(get_args(SourcePreset))
    assert preset_names("pod-hash") is preset_names("pod-name")


def test_the_rows_of_a_metric_are_those_whose_status_label_its_series_carry() -> None:
    names = {row.name for row in rows_of("http_request_duration_seconds_count", [{"status_code": "200"}])}
    assert names == {"express-prom-bundle", "fastify-metrics"}


def test_every_recorded_page_is_of_a_row() -> None:
    assert {path.stem for path in PAGES.glob("*.prom")} == {slug(row) for row in RECORDED} | {"counted-twice"}
