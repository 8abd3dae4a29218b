"""Kubernetes as the directory: who a token belongs to, and who may patch a Rollout."""

from collections.abc import Mapping
from typing import Any

from serinus_rollouts.kubernetes.api import Api, ClusterError

from serinus_console.use_cases.ports import DirectoryError, Person

TIMEOUT_SECONDS = 5.0


class Kubernetes:
    """TokenReview for who it is, SubjectAccessReview for the right that `kubectl argo rollouts abort` needs too."""

    def __init__(self, api: Api, audience: str) -> None:
        self._api, self._audience = api, audience

    async def person(self, token: str) -> Person | None:
        spec = {"token": token, "audiences": [self._audience]}
        status = await self._review("authentication.k8s.io", "TokenReview", spec)
        # An authenticator that does not know audiences answers without any: then the token is for the API server.
        if status.get("authenticated") is not True or self._audience not in (status.get("audiences") or ()):
            return None
        user = status.get("user") or {}
        if not user.get("username"):
            return None
        extra = tuple((name, tuple(values)) for name, values in (user.get("extra") or {}).items())
        return Person(user["username"], tuple(user.get("groups") or ()), user.get("uid") or "", extra)

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        resource = {
            "namespace": namespace,
            "name": name,
            "verb": "patch",
            "group": "argoproj.io",
            "resource": "rollouts",
            "subresource": "status",
        }
        spec = {"user": person.name, "groups": list(person.groups), "uid": person.uid, "resourceAttributes": resource}
        spec["extra"] = {name: list(values) for name, values in person.extra}
        status = await self._review("authorization.k8s.io", "SubjectAccessReview", spec)
        return status.get("allowed") is True and not status.get("denied")

    async def _review(self, group: str, kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        try:
            answer = await self._api.request("POST", f"/apis/{group}/v1/{kind.lower()}s", body=body)
            status = answer.get("status")
        except ClusterError as error:
            # Not what the server said: whoever is not signed in yet would read it.
            why = f"the API server answers {error.status}" if error.status else "the API server does not answer"
            raise DirectoryError(f"{kind}: {why}") from error
        if not isinstance(status, Mapping):
            raise DirectoryError(f"{kind}: an answer without status")
        return status
