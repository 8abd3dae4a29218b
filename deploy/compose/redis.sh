#!/bin/sh
# A user for each service, all with the one password of this machine (deploy/redis/users.acl).
set -eu
sed "s/\${[A-Z]*_PASSWORD}/$REDIS_PASSWORD/" /etc/serinus/users.acl > /tmp/users.acl
exec redis-server --aclfile /tmp/users.acl --dir /data --appendonly yes --maxmemory-policy noeviction --bind '*' -::*
