"""SelfSubjectAccessReview: everything is allowed, but for what a fault answers with 403."""

from __future__ import annotations

from typing import Any

from serinus_simulator.faults import Faults

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def review(asked: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """The review with its status."""
    spec = asked.get("spec") or {}
    about = spec.get("resourceAttributes") or {}
    resource = "/".join(filter(None, (about.get("resource", ""), about.get("subresource", ""))))
    forbidden = faults.forbid(about.get("verb", ""), resource, about.get("namespace", ""), about.get("name", ""))
    status = {"allowed": not forbidden} | ({"reason": "a fault says so"} if forbidden else {})
    kind = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    return {**kind, "metadata": {}, "spec": spec, "status": status}
