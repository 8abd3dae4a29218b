"""What libraries, meshes and proxies call requests and latency, and which of their series are failures."""

from dataclasses import dataclass

from serinus_contracts.plan import AnyOf
from serinus_contracts.selector import Matcher

Matchers = tuple[Matcher, ...]

STATUS_LABELS = ("code", "status", "status_code", "http_response_status_code")


def _server_errors(*labels: str) -> AnyOf:
    """Also classes such as 5xx, as some client libraries and HAProxy write them."""
    return tuple((Matcher(label=label, op="=~", value="5.."),) for label in labels)


@dataclass(frozen=True)
class MetricNames:
    """What a source calls requests and latency. A request failed if one of the groups `failed` matches its series;
    one whose series has none of the labels `status_labels` cannot be told. `extra_matchers` leave out what is counted
    elsewhere too.
    """

    requests: str
    latency: str
    failed: AnyOf
    status_labels: tuple[str, ...]
    extra_matchers: Matchers = ()
    milliseconds: bool = False


def application(
    requests: str, latency: str = "", milliseconds: bool = False, status: tuple[str, ...] = STATUS_LABELS
) -> MetricNames:
    """Counters and histograms of an application, with an HTTP status in one of the labels `status`."""
    return MetricNames(requests, latency, _server_errors(*status), status, (), milliseconds)


def opentelemetry(prefix: str, status: str = "http_response_status_code", error: str = "error_type") -> MetricNames:
    """Semantic conventions for HTTP metrics: no status code where none was sent, but then error.type."""
    no_status = Matcher(label=status, value=""), Matcher(label=error, op="!=", value="")
    return MetricNames(f"{prefix}_count", f"{prefix}_bucket", (*_server_errors(status), no_status), (status, error))


def in_words(requests: str, latency: str, label: str) -> MetricNames:
    """The codes of gRPC that are a server's errors (OpenTelemetry's conventions for gRPC), as languages write them."""
    words = "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
    failed = Matcher(
        label=label, op="=~", value=f"{words}|Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"
    )
    return MetricNames(requests, latency, ((failed,),), (label,))


APPLICATION = application("http_requests_total", "http_request_duration_seconds_bucket")
HISTOGRAM_ALONE = application("http_request_duration_seconds_count", "http_request_duration_seconds_bucket")
OPENTELEMETRY = opentelemetry("http_server_request_duration_seconds")
# The same in the names of OpenTelemetry itself, as servers hold them that escape nothing.
OPENTELEMETRY_DOTTED = opentelemetry("http.server.request.duration", "http.response.status_code", "error.type")
# gRPC answers with HTTP 200; its codes by number.
_GRPC_ERRORS = Matcher(label="grpc_response_status", op="=~", value="2|4|12|13|14|15")
ISTIO = MetricNames(
    "istio_requests_total",
    "istio_request_duration_milliseconds_bucket",
    (*_server_errors("response_code"), (_GRPC_ERRORS,)),
    ("response_code",),
    (Matcher(label="reporter", value="destination"),),
    milliseconds=True,
)
# The kubelet's probes and scrapes of the proxy itself pass the proxy as well.
LINKERD = MetricNames(
    "response_total",
    "response_latency_ms_bucket",
    ((Matcher(label="classification", value="failure"),),),
    ("classification",),
    (
        Matcher(label="direction", value="inbound"),
        Matcher(label="route_name", op="!=", value="probe"),
        Matcher(label="srv_port", op="!=", value="4191"),
    ),
    milliseconds=True,
)
# request_duration would hold the client's speed too.
INGRESS_NGINX = MetricNames(
    "nginx_ingress_controller_requests",
    "nginx_ingress_controller_header_duration_seconds_bucket",
    _server_errors("status"),
    ("status",),
)
# Of gRPC the label code holds its own codes, but 2 for calls that went well.
_TRAEFIK_GRPC = Matcher(label="protocol", value="grpc"), Matcher(label="code", op="=~", value="4|12|13|14|15")
TRAEFIK = MetricNames(
    "traefik_service_requests_total",
    "traefik_service_request_duration_seconds_bucket",
    (*_server_errors("code"), _TRAEFIK_GRPC),
    ("code",),
)
ENVOY = MetricNames(
    "envoy_cluster_upstream_rq",
    "envoy_cluster_upstream_rq_time_bucket",
    _server_errors("envoy_response_code"),
    ("envoy_response_code",),
    milliseconds=True,
)
HAPROXY = MetricNames("haproxy_backend_http_responses_total", "", _server_errors("code"), ("code",))
