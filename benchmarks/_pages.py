"""Metrics pages of many applications, for a real Prometheus to scrape: `python -m benchmarks._pages PORT`."""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRICS, PODS, CODES = 6, 10, 10
_LINES = [
    f'm{metric}_total{{pod="app-{"new" if pod < PODS // 2 else "old"}-{pod}",code="{200 + code}"}} '
    for metric in range(METRICS)
    for pod in range(PODS)
    for code in range(CODES)
]


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        count = int(time.time() * 10) % 10**8
        body = "".join([f"{line}{count + i}\n" for i, line in enumerate(_LINES)]).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Pages).serve_forever()
