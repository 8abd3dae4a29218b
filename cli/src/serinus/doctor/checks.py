"""What a check says, and the checks of Redis, the cluster and the verdict endpoint."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError
from serinus_contracts import Keys
from serinus_rollouts.kubernetes.api import Api, ClusterError

from serinus.options import without_password

State = Literal["ok", "warning", "failed"]
OLDEST_REDIS = 7
HIGH_MEMORY = 0.75
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Group, resource, verbs: what the controller does in the cluster.
RIGHTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("argoproj.io", "rollouts", ("get", "list", "watch")),
    ("argoproj.io", "rollouts/status", ("patch",)),
    ("", "pods", ("list", "watch")),
    ("serinus.dev", "canarypolicies", ("list", "watch")),
    ("", "events", ("create",)),
    ("coordination.k8s.io", "leases", ("get", "create", "update")),
)


@dataclass(frozen=True)
class Check:
    """`fix` says how to make it right, where it is not."""

    name: str
    state: State
    said: str
    fix: str = ""


async def redis(client: Redis, keys: Keys, shown: str) -> AsyncIterator[Check]:
    """Version, persistence, eviction, memory and rights of the Redis at the address `shown`."""
    try:
        info: Any = await client.info()
    except NoPermissionError:
        yield Check("redis", "warning", f"{shown} answers, and this user may not ask INFO", "allow +info to check it")
        info = {}
    except (RedisError, OSError) as error:
        yield Check("redis", "failed", f"{shown}: {error}", "give its address by --redis-url or SERINUS_REDIS_URL")
        return
    if info:
        for check in about(info, shown):
            yield check
    yield await _rights(client, keys)


def about(info: dict[str, Any], shown: str) -> list[Check]:
    """What INFO tells."""
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    kind = "Valkey" if "valkey_version" in info else "Redis"
    new = int(version.partition(".")[0]) >= OLDEST_REDIS
    durable, policy = bool(info.get("aof_enabled")), str(info.get("maxmemory_policy", "unknown"))
    return [
        Check("redis version", "ok", f"{kind} {version} at {shown}")
        if new
        else Check("redis version", "failed", f"{kind} {version} at {shown}", f"use version {OLDEST_REDIS} or newer"),
        Check("redis persistence", "ok", "appendonly yes")
        if durable
        else Check("redis persistence", "failed", "a restart loses evidence", "set appendonly yes"),
        Check("redis eviction", "ok", policy)
        if policy == "noeviction"
        else Check("redis eviction", "failed", f"{policy} may drop evidence", "set maxmemory-policy noeviction"),
        _room(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))),
    ]


def _room(used: int, most: int) -> Check:
    if not most:
        said = "no limit: the controller does not know when to make room, and the kernel may end Redis"
        return Check("redis memory", "warning", said, "set maxmemory, at least 64 MB below what it may use")
    said = f"{100 * used / most:.0f} % of {most / 1e6:,.0f} MB in use"
    if used < HIGH_MEMORY * most:
        return Check("redis memory", "ok", said)
    runbook = "docs/how-to/runbooks.md#serinusredismemoryhigh"
    return Check("redis memory", "warning", said, f"give Redis more memory: {runbook}")


async def _rights(client: Redis, keys: Keys) -> Check:
    """Does what the services do, on a key of its own."""
    probe = f"{{{keys.tag}}}:doctor"
    try:
        await client.xadd(probe, {"ce": "{}"})
        await client.eval("return redis.call('EXPIRE', KEYS[1], 10)", 1, probe)
        user: Any = await client.execute_command("ACL WHOAMI")  # type: ignore[no-untyped-call]
        await client.delete(probe)
    except NoPermissionError as error:
        return await _rights_of_people(client, keys, error)
    except (RedisError, OSError) as error:
        return Check("redis rights", "failed", str(error), "is it a read-only replica? give the primary's address")
    name = user.decode() if isinstance(user, bytes) else str(user)
    if name == "default":
        return Check(
            "redis rights",
            "warning",
            "user default: whoever reaches this Redis can order an abort",
            "give each service a user of its own (ACL SETUSER)",
        )
    return Check("redis rights", "ok", f"user {name} may do what the services do")


async def _rights_of_people(client: Redis, keys: Keys, refused: NoPermissionError) -> Check:
    """Of a user that may not do what the services do: the command line needs to read alone."""
    try:
        await client.xlen(keys.stream("rollouts"))
    except RedisError:
        fix = "use one of the users of deploy/redis/users.acl: serinus-operator, or serinus-reader to look only"
        return Check("redis rights", "failed", str(refused), fix)
    return Check("redis rights", "ok", "this user may read events, and not do what the services do")


async def cluster(api: Api, namespace: str) -> AsyncIterator[Check]:
    """The API server, and what whoever asks may do there."""
    try:
        version = await api.request("GET", "/version")
    except ClusterError as error:
        yield Check(
            "cluster", "failed", str(error), "check --kubeconfig and --context, and that kubectl works with them"
        )
        return
    yield Check("cluster", "ok", f"Kubernetes {version.get('gitVersion', 'of unknown version')}")
    lacking = []
    try:
        for group, resource, verbs in RIGHTS:
            lacking += [f"{verb} {resource}" for verb in verbs if not await _may(api, group, resource, verb, namespace)]
    except ClusterError as error:
        yield Check("cluster rights", "warning", f"cannot be asked for: {error}", "kubectl auth can-i --list")
        return
    if lacking:
        fix = "the controller needs them: see deploy/, or use its service account's kubeconfig"
        yield Check("cluster rights", "failed", f"in {namespace} you may not {', '.join(lacking)}", fix)
    else:
        yield Check("cluster rights", "ok", f"all that the controller does in {namespace} is allowed to you")


async def _may(api: Api, group: str, resource: str, verb: str, namespace: str) -> bool:
    name, _, part = resource.partition("/")
    about = {"group": group, "resource": name, "verb": verb, "namespace": namespace}
    if part:
        about["subresource"] = part
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    body = {**kind, "spec": {"resourceAttributes": about}}
    answer = await api.request("POST", REVIEWS, body=body)
    return bool((answer.get("status") or {}).get("allowed"))


async def endpoint(client: httpx.AsyncClient, url: str) -> Check:
    """The verdict endpoint, asked as Argo's web metric does: a GET that follows redirects."""
    name, shown = "verdict endpoint", without_password(url)
    danger = "up to 1.9.1 Argo takes a 200 that is not JSON for a success, and promotes"
    try:
        answer = await client.get(url, follow_redirects=True, timeout=10)
    except httpx.HTTPError as error:
        return Check(
            name,
            "failed",
            f"{shown}: {str(error) or type(error).__name__}",
            "start serinus-console, or fix the address",
        )
    if answer.status_code != 200:
        return Check(
            name, "failed", f"{shown} answered {answer.status_code}", "fix the address; Argo asks again on errors"
        )
    try:
        verdict = answer.json()["verdict"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        came = f", redirected to {without_password(str(answer.url))}" if answer.history else ""
        fix = f"{danger}: take the login or proxy away from this path"
        return Check(name, "failed", f"{shown} answered 200 without a verdict{came}", fix)
    return Check(name, "ok", f"{shown} says {verdict}")
