#!/bin/sh
# Verdicts by redis-cli alone: follows the stream from its beginning, one block an event. Needs no Serinus.
#   SERINUS_REDIS_URL=redis://127.0.0.1:6379 examples/subscribe/verdicts.sh
exec redis-cli -u "${SERINUS_REDIS_URL:-redis://127.0.0.1:6379}" \
  XREAD COUNT "${COUNT:-10}" BLOCK 5000 STREAMS "{${SERINUS_REDIS_TAG:-serinus}}:verdicts" 0
