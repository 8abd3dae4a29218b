"""Posts the events of a stream to K_SINK, each a whole CloudEvent in structured mode. Needs redis-py alone.

K_SINK=http://sink SERINUS_REDIS_URL=redis://127.0.0.1:6379 python examples/subscribe/forward.py decisions
It begins with what comes from now on, or after the entry in SINCE; the next follows when the sink answered 2xx.
"""

import os
import sys
import time
import urllib.error
import urllib.request

import redis

client = redis.Redis.from_url(os.environ.get("SERINUS_REDIS_URL", "redis://127.0.0.1:6379"))
stream = f"{{{os.environ.get('SERINUS_REDIS_TAG', 'serinus')}}}:{sys.argv[1]}"
newest = client.xrevrange(stream, count=1)
position = os.environ.get("SINCE") or (newest[0][0] if newest else "0")


def post(event: bytes) -> None:
    """Until the sink takes it: a sink that is away loses nothing that the stream still has."""
    headers = {"Content-Type": "application/cloudevents+json"}
    while True:
        try:
            request = urllib.request.Request(os.environ["K_SINK"], event, headers)  # noqa: S310 - the address is ours
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
            return
        except (urllib.error.URLError, OSError) as error:
            print(f"the sink did not take it, again in 5 s: {error}", file=sys.stderr, flush=True)
            time.sleep(5)


while True:
    for _, entries in client.xread({stream: position}, block=2000):
        for position, fields in entries:  # noqa: B007 - where the next read goes on
            post(fields[b"ce"])
