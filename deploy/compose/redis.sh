#!/bin/sh
# A user for each service, all with the one password of this machine (deploy/redis/users.acl). The file of users knows
# it by its hash: so it may hold any character, and stands nowhere in the clear.
set -eu
umask 077
me=$(id -u)
if [ ! -w /data ] || [ -n "$(find /data -mindepth 1 ! -user "$me")" ]; then
  echo "redis.sh: /data holds what uid $me may not write: an older compose file ran Redis as root. Give it over, once:" >&2
  echo "  docker compose run --rm --no-deps --user 0 --cap-add CHOWN --entrypoint chown redis -R $me:$me /data" >&2
  exit 1
fi
if [ -n "${SERINUS_KUBECONFIG:-}" ] && [ "$REDIS_PASSWORD" = serinus ]; then
  echo "redis.sh: with a cluster of yours (SERINUS_KUBECONFIG) the password that everybody knows will not do: each" >&2
  echo "  program of this machine could abort and promote there. Give one of your own and start again:" >&2
  echo "  export REDIS_PASSWORD=\$(openssl rand -hex 24)" >&2
  exit 1
fi
hash=$(printf %s "$REDIS_PASSWORD" | sha256sum | cut -d ' ' -f 1)
sed "s/>\${[A-Z]*_PASSWORD}/#$hash/" /etc/serinus/users.acl > /tmp/users.acl
# Beyond its memory Redis refuses writes: judging waits, nothing is lost. What it takes while it rewrites its file comes
# on top, below the limit of its container.
exec redis-server --aclfile /tmp/users.acl --dir /data --appendonly yes \
  --maxmemory 768mb --maxmemory-policy noeviction --bind '*' -::*
