#!/usr/bin/env bash
# Where two instrumentations of one process measure the same requests, OpenTelemetry's Prometheus exporter for Python shows
# each request twice, and the labels of the second under each other's names: a query by route or scope asks the wrong label.
#
# Seen with FastAPI 0.165.0, which has metrics of its own, under the ASGI middleware of
# opentelemetry-instrumentation-asgi 0.66b1, with opentelemetry-exporter-prometheus 0.66b1, for 20 requests of /ok:
#   http_server_request_duration_seconds_count{...,network_protocol_version="1.1",
#     otel_scope_name="opentelemetry.instrumentation.asgi",...,url_scheme="http"} 20
#   http_server_request_duration_seconds_count{...,network_protocol_version="/ok",
#     otel_scope_name="1.1",otel_scope_schema_url="fastapi",...,url_scheme="0.165.0"} 20
# FastAPI's series has a route, the middleware's has none. The exporter makes one family of both, whose label names are those
# of the series that comes first, and gives it the values of the other in the order of that one's own labels: from the first
# name that only one of them has, each value stands under a neighbour's name. Method and status come before and are right.
#
# Needs uv and curl. Installs the packages in a temporary folder, and fails if the page shows something else.
set -euo pipefail
folder=$(mktemp -d); server=; trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT

uv venv -q "$folder/venv"
uv pip install -q -p "$folder/venv/bin/python" fastapi==0.165.0 uvicorn==0.54.0 opentelemetry-instrumentation-asgi==0.66b1 \
  opentelemetry-exporter-prometheus==0.66b1

cat > "$folder/app.py" <<'PY'
from fastapi import FastAPI
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

metrics.set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader()]))
api = FastAPI()


@api.get("/ok")
async def ok():
    return "ok"


start_http_server(18471, addr="127.0.0.1")
app = OpenTelemetryMiddleware(api)
PY

cd "$folder"
OTEL_SEMCONV_STABILITY_OPT_IN=http venv/bin/python -m uvicorn app:app --host 127.0.0.1 --port 18470 --log-level critical &
server=$!
curl -sf --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18470/ok
for _ in $(seq 19); do curl -sf -o /dev/null http://127.0.0.1:18470/ok; done
curl -sf http://127.0.0.1:18471/metrics | grep '^http_server_request_duration_seconds_count{' > page
cat page

[ "$(wc -l < page)" = 2 ] || { echo "not two series"; exit 1; }
[ "$(grep -c ' 20.0$' page)" = 2 ] || { echo "not each request in both"; exit 1; }
scopes=$(sed 's/.*otel_scope_name="\([^"]*\)".*/\1/' page | sort | paste -sd' ')
[ "$scopes" != "fastapi opentelemetry.instrumentation.asgi" ] || { echo "each series names its own scope"; exit 1; }
grep -q 'otel_scope_name="\(1.1\|https:[^"]*\)"' page || { echo "no value of another label is the scope's name"; exit 1; }
