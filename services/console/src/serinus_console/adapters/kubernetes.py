"""Kubernetes as the directory: who a token belongs to, and who may patch a Rollout."""

from typing import Any

import aiohttp
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, AuthenticationV1Api, AuthorizationV1Api, Configuration
from kubernetes_asyncio.client.exceptions import OpenApiException
from kubernetes_asyncio.config import ConfigException

from serinus_console.service_layer.ports import DirectoryError, Person

TIMEOUT = 5.0


async def connect(kubeconfig: str, context: str) -> ApiClient:
    """A client by a kubeconfig file, or by the pod's service account. Raises ValueError saying what is missing."""
    configuration = Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(kubeconfig, context=context or None, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise ValueError(f"no access to a cluster: {error}; set SERINUS_KUBECONFIG, or run as a pod") from error
    return ApiClient(configuration=configuration)


class Kubernetes:
    """TokenReview for who it is, SubjectAccessReview for the right that `kubectl argo rollouts abort` needs too."""

    def __init__(self, client: ApiClient, audience: str) -> None:
        self._audience = audience
        self._tokens, self._access = AuthenticationV1Api(client), AuthorizationV1Api(client)

    async def person(self, token: str) -> Person | None:
        body: Any = {"spec": {"token": token, "audiences": [self._audience]}}
        status = await _reviewed(self._tokens.create_token_review(body, _request_timeout=TIMEOUT))
        # An authenticator that does not know audiences answers without any: then the token is for the API server.
        if not status.authenticated or self._audience not in (status.audiences or ()):
            return None
        user = status.user
        extra = tuple((name, tuple(values)) for name, values in (user.extra or {}).items())
        return Person(user.username, tuple(user.groups or ()), user.uid or "", extra)

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        resource = {
            "namespace": namespace,
            "name": name,
            "verb": "patch",
            "group": "argoproj.io",
            "resource": "rollouts",
            "subresource": "status",
        }
        spec: dict[str, Any] = {"user": person.name, "groups": list(person.groups), "resourceAttributes": resource}
        spec |= {"uid": person.uid, "extra": {name: list(values) for name, values in person.extra}}
        review: Any = {"spec": spec}
        status = await _reviewed(self._access.create_subject_access_review(review, _request_timeout=TIMEOUT))
        return bool(status.allowed) and not status.denied


async def _reviewed(call: Any) -> Any:
    try:
        review = await call
    except (OpenApiException, aiohttp.ClientError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DirectoryError(f"{type(error).__name__}: {reason}") from error
    if review.status is None:
        raise DirectoryError("the API server gave no status")
    return review.status
