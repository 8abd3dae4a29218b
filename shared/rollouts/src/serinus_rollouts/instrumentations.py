"""The table of instrumentations: what libraries, meshes and proxies count, by which names, and what they leave out.

Presets, `serinus init`, `serinus doctor`, docs/reference/instrumentations.md and the tests read it. A row that is
`recorded` is held by a page of the real thing in tests/unit/sources/pages.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from serinus_contracts.metric import SourcePreset
from serinus_contracts.period_stores import STORES
from serinus_contracts.selector import Labels

from serinus_rollouts.metric_names import (
    APPLICATION,
    ENVOY,
    HAPROXY,
    HISTOGRAM_ALONE,
    INGRESS_NGINX,
    ISTIO,
    LINKERD,
    OPENTELEMETRY,
    OPENTELEMETRY_DOTTED,
    TRAEFIK,
    MetricNames,
    application,
    in_words,
    opentelemetry,
)


@dataclass(frozen=True)
class Instrumentation:
    """One row. `version`: of what was recorded or run; `status`: the label of the status; `edges` of its histogram, in
    its unit; `traps`: what it counts otherwise than one may think; `blind`: failures that its page cannot show at all.
    """

    name: str
    version: str
    preset: SourcePreset
    names: MetricNames
    status: str
    edges: tuple[float, ...] = ()
    traps: str = ""
    blind: str = ""
    recorded: bool = False


_DEFAULT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PYTHON = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_OTEL_MS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
_ENVOY_EDGES = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip

_PANICS = (
    "a handler that panics is in no counter, nor in the latency: recover inside of the instrumentation, which then "
    "sees a 500"
)
_UNKNOWN = "routes that do not exist are left out"
_GRPC_UNSEEN = (
    "a gRPC call that fails has HTTP status 200 here and is taken for a good one: where the service speaks gRPC, count "
    "at the application or its mesh, and what is no gRPC by events and trials of your own"
)

TABLE: Sequence[Instrumentation] = (
    Instrumentation(
        "prometheus-fastapi-instrumentator", "8.1.0", "pod-name", APPLICATION, "status", (0.1, 0.5, 1),
        "coarse edges: set finer ones; an answer that breaks midway has the status of its headers", recorded=True,
    ),
    Instrumentation(
        "client_golang promhttp", "1.25.0", "pod-name", APPLICATION, "code", _DEFAULT, _PANICS, recorded=True,
    ),
    Instrumentation(
        "starlette_exporter", "0.24.0", "pod-name",
        application("starlette_requests_total", "starlette_request_duration_seconds_bucket"), "status_code",
        _PYTHON, _UNKNOWN, recorded=True,
    ),
    Instrumentation(
        "starlette-prometheus", "0.10.0", "pod-name",
        application("starlette_responses_total", "starlette_requests_processing_time_seconds_bucket"),
        "status_code", _PYTHON, "a handler that raises is not in the latency", recorded=True,
    ),
    Instrumentation(
        "aioprometheus", "23.12.0", "pod-name", application("status_codes_counter"), "status_code", (),
        "no latency; an answer that breaks midway is counted twice", recorded=True,
    ),
    Instrumentation(
        "Litestar", "2.25.0", "pod-name",
        application("litestar_requests_total", "litestar_request_duration_seconds_bucket"), "status_code", _PYTHON,
        _UNKNOWN, recorded=True,
    ),
    Instrumentation(
        "django-prometheus", "2.5.0", "pod-name",
        application(
            "django_http_responses_total_by_status_total",
            "django_http_requests_latency_including_middlewares_seconds_bucket",
        ),
        "status", (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 25, 50, 75),
        "scrapes count; `..._by_view_method` holds requests that raise twice", recorded=True,
    ),
    Instrumentation(
        "prometheus_flask_exporter", "0.23.2", "pod-name",
        application("flask_http_request_total", "flask_http_request_duration_seconds_bucket"), "status", _PYTHON,
        "its histogram has a series for each path as it was asked", recorded=True,
    ),
    Instrumentation(
        "OpenTelemetry Python, FastAPI, Flask, Django", "0.66b1", "pod-name",
        application(
            "http_server_duration_milliseconds_count", "http_server_duration_milliseconds_bucket", True,
            ("http_status_code",),
        ),
        "http_status_code", _OTEL_MS,
        "the default, in milliseconds; OTEL_SEMCONV_STABILITY_OPT_IN=http makes it stable, in seconds", recorded=True,
    ),
    Instrumentation(
        "OpenTelemetry Python, stable conventions", "0.66b1", "opentelemetry", OPENTELEMETRY,
        "http_response_status_code", _PYTHON,
        "two instrumentations of one process count each request twice, and are refused", recorded=True,
    ),
    Instrumentation(
        "FastAPI, its own metrics", "0.165.0", "opentelemetry", OPENTELEMETRY, "http_response_status_code", _PYTHON,
        "scrapes count; an answer that breaks midway has error_type beside its status and is not counted as an error",
        recorded=True,
    ),
    Instrumentation(
        "otelhttp", "0.72.0", "opentelemetry", OPENTELEMETRY, "http_response_status_code", _PYTHON, _PANICS,
        recorded=True,
    ),
    Instrumentation(
        "OpenTelemetry JS, http", "0.223.0", "opentelemetry", opentelemetry("http_server_request_duration"),
        "http_response_status_code", _PYTHON, "its names have no unit; edges are seconds", recorded=True,
    ),
    Instrumentation(
        "OpenTelemetry, names not translated", "", "opentelemetry", OPENTELEMETRY_DOTTED, "http.response.status_code",
        _PYTHON, "Prometheus 3 over OTLP, VictoriaMetrics",
    ),
    Instrumentation(
        "express-prom-bundle", "8.0.0", "pod-name", HISTOGRAM_ALONE, "status_code",
        (0.003, 0.03, 0.1, 0.3, 1.5, 10), "requests whose client left have status 499", recorded=True,
    ),
    Instrumentation(
        "fastify-metrics", "13.2.1", "pod-name", HISTOGRAM_ALONE, "status_code", _DEFAULT,
        "requests whose client left, answers that broke and routes that do not exist are in no counter; "
        "scrapes count",
        recorded=True,
    ),
    Instrumentation(
        "prometheus-api-metrics", "4.0.0", "pod-name", HISTOGRAM_ALONE, "code",
        (0.001, 0.005, 0.015, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
        "requests whose client left and answers that broke are in no counter", recorded=True,
    ),
    Instrumentation(
        "slok/go-http-metrics", "0.13.0", "pod-name", HISTOGRAM_ALONE, "code", _DEFAULT,
        "a handler that panics counts as 200: recover inside of the instrumentation", recorded=True,
    ),
    Instrumentation(
        "Micrometer, Spring Boot", "4.0.7", "pod-name",
        application("http_server_requests_seconds_count", "http_server_requests_seconds_bucket"), "status", (),
        "no histogram unless percentiles-histogram is set for http.server.requests; scrapes count", recorded=True,
    ),
    Instrumentation(
        "axum-prometheus", "0.10.1", "pod-name",
        application("axum_http_requests_total", "axum_http_requests_duration_seconds_bucket"), "status", _DEFAULT,
        "handlers that panic and requests whose client left are in no counter; scrapes count", recorded=True,
    ),
    Instrumentation(
        "py-grpc-prometheus", "0.8.0", "pod-name",
        in_words("grpc_server_handled_total", "grpc_server_handling_seconds_bucket", "grpc_code"), "grpc_code",
        _PYTHON, "a histogram only where it is enabled", recorded=True,
    ),
    Instrumentation(
        "go-grpc-middleware", "1.1.1", "pod-name",
        in_words("grpc_server_handled_total", "grpc_server_handling_seconds_bucket", "grpc_code"), "grpc_code",
        _DEFAULT, "a histogram only where it is enabled", recorded=True,
    ),
    Instrumentation(
        "otelgrpc", "0.72.0", "pod-name",
        in_words(
            "rpc_server_call_duration_seconds_count", "rpc_server_call_duration_seconds_bucket",
            "rpc_response_status_code",
        ),
        "rpc_response_status_code", _PYTHON, recorded=True,
    ),
    Instrumentation(
        "Cilium, Hubble", "1.19.6", "pod-name",
        application("hubble_http_requests_total", "hubble_http_request_duration_seconds_bucket"), "status", _DEFAULT,
        "needs a layer 7 policy and httpV2:labelsContext=destination_namespace,destination_pod (`http` has no status "
        "in its requests); select one reporter, else requests count twice",
        _GRPC_UNSEEN, recorded=True,
    ),
    Instrumentation(
        "Istio, mesh and gateways", "", "istio", ISTIO, "response_code", (),
        "what a waypoint counts has neither reporter",
    ),
    Instrumentation(
        "Linkerd", "", "linkerd", LINKERD, "classification", (), "latency to the first byte",
    ),
    Instrumentation(
        "ingress-nginx", "", "ingress-nginx", INGRESS_NGINX, "status", (), "the project is retired",
        _GRPC_UNSEEN,
    ),
    Instrumentation(
        "Traefik, also as a Gateway", "3.7.15", "traefik", TRAEFIK, "code", (0.1, 0.3, 1.2, 5),
        "clients that left are 499, among the trials; an answer cut midway is in no counter; the retry "
        "middleware repeats only what was not sent, but with a list of statuses each try counts; a gRPC call "
        "that fails after a message cannot be seen; coarse edges",
        recorded=True,
    ),
    Instrumentation(
        "Contour", "", "contour", ENVOY, "envoy_response_code", _ENVOY_EDGES, "as Envoy", _GRPC_UNSEEN,
    ),
    Instrumentation(
        "Envoy, kgateway", "1.40.0", "envoy", ENVOY, "envoy_response_code", _ENVOY_EDGES,
        "clients that left are not counted; an answer cut midway is a 200 and not in the latency, which lacks "
        "504s and resets too; retries hide what failed before; an update of a cluster starts its counts at zero",
        _GRPC_UNSEEN, recorded=True,
    ),
    Instrumentation(
        "HAProxy", "2.6.12", "haproxy", HAPROXY, "code", (),
        "averages instead of a latency; clients that left are 2xx, or 4xx with abortonclose in defaults; an "
        "answer cut midway is 2xx; with one backend of two servers and redispatch a canary's failures are "
        "hidden wholly",
        _GRPC_UNSEEN, recorded=True,
    ),
)  # fmt: skip

# What can tell no arms, or counts nothing: said in the documents, and looked for by nobody.
WITHOUT_ARMS: Sequence[tuple[str, str, str]] = (
    ("Envoy Gateway", "", "one cluster of a rule mixes both arms: count at the pods"),
    ("NGINX Gateway Fabric, nginx", "0.11.0", "`nginx_http_requests_total` is one number, without status and upstream"),
    ("Caddy", "2.11.7", "no counter names an upstream, and an answer cut midway is in none: count at the pods"),
    ("oauth2-proxy", "7.15.6", "one upstream; clients that left are 502, as errors are: count behind it"),
    ("OpenTelemetry Python, gRPC", "0.66b1", "no metrics at all: use py-grpc-prometheus"),
    ("VictoriaMetrics/metrics", "", "names by hand, and histograms by `vmrange` without `le`, which are refused"),
    ("gunicorn, several workers", "27.0.1", "each scrape asks another worker, refused: use the multiprocess mode"),
)  # fmt: skip


# Those that differ in what tells the arms, and read what an application counts.
_OF_APPLICATIONS = ("pod-name", "pod-hash", "service-label")


def preset_names(preset: str, metric: str | None = None) -> MetricNames:
    """What the metrics of a preset are called, and which requests failed: as its first row says, or the row of the
    application's metric that a policy names, its native histogram and its name without a unit too."""
    rows = _rows(preset)
    usual = rows[0].names
    if metric is None:
        return usual
    named = next((row.names for row in rows if _stem(metric) in _stems(row.names.requests)), None)
    if named is None and "." in metric:
        named = next((row.names for row in rows if "." in row.names.requests), None)
    # The unit is that of the name which the policy gives.
    return replace(named, milliseconds=usual.milliseconds) if named else usual


def blind(preset: str, metric: str | None) -> str:
    """Failures that a preset's requests cannot show, or the metric that a policy names; "" where they can."""
    rows = _rows(preset)
    named = next((row for row in rows if metric is not None and _stem(metric) in _stems(row.names.requests)), rows[0])
    return named.blind


def unseen(preset: str, metric: str | None, grpc: str) -> str:
    """Why a service's failures cannot be told by these, "" where they can. `grpc`: what says that it speaks gRPC."""
    told = blind(preset, metric) if grpc else ""
    return f"the service speaks gRPC, by {grpc}: {told}" if told else ""


def _rows(preset: str) -> Sequence[Instrumentation]:
    # Of a store of sums a policy names each metric itself.
    kind = "pod-name" if preset in (*_OF_APPLICATIONS, *STORES) else preset
    return [row for row in TABLE if row.preset == kind]


def _stem(name: str) -> str:
    return name.removesuffix("_count").removesuffix("_bucket")


def _stems(name: str) -> tuple[str, str]:
    stem = _stem(name)
    return stem, stem.removesuffix("_seconds").removesuffix("_milliseconds")


def rows_of(name: str | None, series: Iterable[Labels]) -> list[Instrumentation]:
    """The rows that count requests by this name, and by a label that the series carry."""
    labels = {label for one in series for label in one}
    return [row for row in TABLE if row.names.requests == name and row.status in labels]
