"""Kubernetes as the directory: who a token belongs to, and who may patch a Rollout.

Two requests are all that is needed, so they are written as such: the Kubernetes client would double the memory of
this service (docs/adr/0025).
"""

import base64
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from serinus_runtime.files import unreadable

from serinus_console.use_cases.ports import DirectoryError, Person

TIMEOUT = 5.0
POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Token(httpx.Auth):
    """A token that is read anew for each request: it is exchanged long before it expires."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override] # sends nothing
        request.headers["Authorization"] = f"Bearer {self._read().strip()}"
        yield request


def connect(kubeconfig: str, context: str) -> httpx.AsyncClient:
    """A client by a kubeconfig file, or by the pod's service account. Raises ValueError saying what is missing."""
    try:
        return _by_kubeconfig(Path(kubeconfig), context) if kubeconfig else _in_pod()
    except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        why = f"{type(error).__name__}: {error}"
        if kubeconfig:
            why = unreadable(Path(kubeconfig)) or f"{kubeconfig}: {why}"
            raise ValueError(f"no access to a cluster: kubeconfig {why}") from error
        raise ValueError(f"no access to a cluster: {why}; set SERINUS_KUBECONFIG, or run as a pod") from error


def _in_pod() -> httpx.AsyncClient:
    address = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    tls = ssl.create_default_context(cafile=str(POD / "ca.crt"))
    return httpx.AsyncClient(base_url=address, verify=tls, auth=Token((POD / "token").read_text), timeout=TIMEOUT)


def _by_kubeconfig(path: Path, wanted: str) -> httpx.AsyncClient:
    cluster, user = _chosen(path, wanted)
    if "exec" in user or "auth-provider" in user:
        raise ValueError(f"{path}: a user that runs a command is not supported: run as a pod, or use a token")
    auth = None
    if "tokenFile" in user:
        auth = Token((path.parent / user["tokenFile"]).read_text)
    elif "token" in user:
        auth = Token(lambda: str(_chosen(path, wanted)[1]["token"]))
    tls = _tls(cluster, user, path.parent) if cluster["server"].startswith("https:") else True
    return httpx.AsyncClient(base_url=cluster["server"], verify=tls, auth=auth, timeout=TIMEOUT)


def _chosen(path: Path, wanted: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Cluster and user of the wanted context, else of the current one."""
    config = yaml.safe_load(path.read_text())

    def named(kind: str, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(one for one in config[f"{kind}s"] if one["name"] == name)[kind]
        return found

    context = named("context", wanted or config["current-context"])
    return named("cluster", context["cluster"]), named("user", context["user"])


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    file = cluster.get("certificate-authority")
    made = ssl.create_default_context(
        cadata=base64.b64decode(data).decode() if data else None, cafile=str(folder / file) if file else None
    )
    if cluster.get("insecure-skip-tls-verify"):
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if "client-certificate" in user:
        made.load_cert_chain(folder / user["client-certificate"], folder / user["client-key"])
    elif "client-certificate-data" in user:
        raise ValueError("client certificates are wanted as files: client-certificate and client-key")
    return made


class Kubernetes:
    """TokenReview for who it is, SubjectAccessReview for the right that `kubectl argo rollouts abort` needs too."""

    def __init__(self, client: httpx.AsyncClient, audience: str) -> None:
        self._client, self._audience = client, audience

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
            answer = await self._client.post(f"/apis/{group}/v1/{kind.lower()}s", json=body)
            answer.raise_for_status()
            status: Mapping[str, Any] = answer.json()["status"]
        except (httpx.HTTPError, OSError, yaml.YAMLError, ValueError, LookupError, TypeError, StopIteration) as error:
            raise DirectoryError(f"{kind}: {type(error).__name__}: {error}") from error
        return status
