"""A service that counts its requests, and sends itself some: python app.py PORT ERROR_RATE.

Stands for yours. Any service will do whose counters Prometheus scrapes and whose two versions a label tells apart.
"""

import random
import sys
import time

from prometheus_client import Counter, start_http_server

PER_SECOND = 50
REQUESTS = Counter("http_requests", "requests by status", ["code"])


def main(port: int, error_rate: float) -> None:
    start_http_server(port, addr="127.0.0.1")
    for code in ("200", "500"):
        REQUESTS.labels(code)
    while True:
        REQUESTS.labels("500" if random.random() < error_rate else "200").inc()
        time.sleep(1 / PER_SECOND)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
