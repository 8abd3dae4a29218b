"""Verdicts by redis-py and the cloudevents package alone: needs no Serinus. Prints each that is not a hold.

pip install redis cloudevents
SERINUS_REDIS_URL=redis://127.0.0.1:6379 python examples/subscribe/verdicts.py
"""

import os

import redis
from cloudevents.core.formats.json import JSONFormat

client = redis.Redis.from_url(os.environ.get("SERINUS_REDIS_URL", "redis://127.0.0.1:6379"))
stream = f"{{{os.environ.get('SERINUS_REDIS_TAG', 'serinus')}}}:verdicts"
position = "0"  # "$" for what comes from now on
while True:
    for _, entries in client.xread({stream: position}, block=2000):
        for position, fields in entries:  # noqa: B007 - where the next read goes on
            if fields[b"verdict"] == b"hold":  # flat fields filter without parsing
                continue
            event = JSONFormat().read(None, fields[b"ce"])
            print(event.get_time(), event.get_data()["run"]["name"], event.get_data()["sentence"], flush=True)
