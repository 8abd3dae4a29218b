"""An address that Argo's web metric asks, answering what a test tells it to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint:
    """`verdict` is what it answers next; `asked` counts the questions."""

    def __init__(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}/verdict"
        self.verdict = "hold"
        self.asked = 0


@contextmanager
def endpoint(host: str) -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            body = json.dumps({"verdict": made.verdict}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    # It listens beyond this machine only for a cluster that is elsewhere.
    with ThreadingHTTPServer((host if host == "127.0.0.1" else "", 0), Handler) as server:
        made = Endpoint(host, server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
