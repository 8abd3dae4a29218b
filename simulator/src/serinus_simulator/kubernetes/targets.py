"""What a request is about: the paths and verbs of the Kubernetes API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from serinus_simulator.kubernetes import failures
from serinus_simulator.kubernetes.calls import Call
from serinus_simulator.kubernetes.kinds import Kind

_CORE = re.compile(r"^/api/(?P<version>v1)(?P<rest>/.*)?$")
_GROUP = re.compile(r"^/apis/(?P<group>[^/]+)/(?P<version>[^/]+)(?P<rest>/.*)?$")
_REST = re.compile(
    r"^(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?$"
)
_NAMESPACE = re.compile(r"^/namespaces(?:/(?P<name>[^/]+))?$")
FindKind = Callable[[str, str, str], Kind | None]
"""A kind by its group, version and plural."""


@dataclass(frozen=True)
class Target:
    """What a path is about."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


def target_of(path: str, find_kind: FindKind) -> Target | None:
    """What a path is about; None for one that a server does not know. Raises ApiError 404."""
    found = _CORE.match(path) or _GROUP.match(path)
    if found is None:
        return None
    groups = found.groupdict()
    group, version, rest = groups.get("group") or "", groups["version"], groups["rest"] or ""
    if not group and (place := _NAMESPACE.match(rest)):
        parts = {"namespace": None, "plural": "namespaces", "name": place["name"], "sub": None}
    elif matched := _REST.match(rest):
        parts = matched.groupdict()
    else:
        return None
    kind = find_kind(group, version, str(parts["plural"]))
    if kind is None or (parts["sub"] and not (parts["sub"] == "status" and kind.status)):
        if kind is not None and parts["sub"] == "status":
            raise failures.not_found(kind.group, kind.plural, str(parts["name"]))
        return None
    namespace, name = parts["namespace"] or "", parts["name"] or ""
    if name and bool(namespace) is not kind.namespaced:
        return None
    return Target(kind, namespace, name, parts["sub"] or "")


def call_of(method: str, target: Target, *, watching: bool) -> Call:
    """The request as the log of calls keeps it, with Kubernetes' verb."""
    collection = "watch" if watching else "list"
    verbs = {
        "GET": "get" if target.name and not watching else collection,
        "POST": "create",
        "PUT": "update",
        "PATCH": "patch",
        "DELETE": "delete" if target.name else "deletecollection",
    }
    kind = target.kind
    return Call(
        verbs.get(method, method.lower()),
        kind.group,
        kind.plural,
        target.subresource,
        target.namespace,
        target.name,
    )
