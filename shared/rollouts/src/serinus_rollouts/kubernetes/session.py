"""What leads to one API server: its address, its certificate, and who asks; from a kubeconfig, or as a pod has it."""

import asyncio
import json
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp

# What a pod has been given; its token is exchanged long before it expires.
POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# A line of a watch holds a whole object.
READ_BUFFER_BYTES = 2 * 1024 * 1024


class Access:
    """One session with a server. `token` gives the Authorization header of a request, '' for none."""

    def __init__(
        self,
        host: str,
        tls: ssl.SSLContext,
        token: Callable[[], Awaitable[str]],
        *,
        server_name: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._host, self._token = host, token
        self._options = {"server_hostname": server_name, "proxy": proxy}
        # Each watch holds a connection as long as it lasts: with a limit, those of many namespaces would starve the
        # acts.
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=True, read_bufsize=READ_BUFFER_BYTES)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]],
        body: Any,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Raises what aiohttp raises, and OSError for a token that cannot be read."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if token := await self._token():
            headers["Authorization"] = token
        data = None if body is None else json.dumps(body)
        return await self._session.request(
            method,
            self._host + path,
            params=query,
            data=data,
            headers=headers,
            timeout=timeout,
            **self._options,  # type: ignore[arg-type] # both are text or None
        )

    async def close(self) -> None:
        """End the session and what still goes on by it."""
        await self._session.close()


def in_pod() -> Access:
    """Access by the pod's service account, whose token is read for each request. Raises OSError or ValueError."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    if not host or not port:
        raise ValueError("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    file = POD / "token"
    file.read_text()

    async def token() -> str:
        return f"Bearer {file.read_text().strip()}"

    address = f"[{host}]" if ":" in host else host
    return Access(f"https://{address}:{port}", ssl.create_default_context(cafile=str(POD / "ca.crt")), token)


def namespace_of(file: str, context: str) -> str:
    """The namespace that a context of a kubeconfig means where none is named, '' for the current context. Raises
    ValueError for a file that cannot be read, or has no such context."""
    from kubernetes_asyncio.config import list_kube_config_contexts

    try:
        contexts, current = list_kube_config_contexts(config_file=file)
    except Exception as error:  # the library's parser raises what it meets
        raise ValueError(f"{file}: {error}") from error
    chosen = next((one for one in contexts if one["name"] == context), None) if context else current
    if chosen is None:
        raise ValueError(f"{file} has no context {context}; it has {', '.join(one['name'] for one in contexts)}")
    return chosen["context"].get("namespace") or "default"


async def by_kubeconfig(file: str, context: str) -> Access:
    """Access by a kubeconfig, or several as KUBECONFIG lists them, and a context, '' for the current one. Raises what
    the library and the plugins that it runs raise."""
    # Two seconds and 70 MB of generated models, which pods do without; meanwhile a service's pages answer.
    await asyncio.to_thread(import_module, "kubernetes_asyncio.config")
    from kubernetes_asyncio import config
    from kubernetes_asyncio.client import Configuration

    made = Configuration()
    await config.load_kube_config(file, context=context or None, client_configuration=made)
    tls = ssl.create_default_context(cafile=made.ssl_ca_cert)
    if made.cert_file:
        tls.load_cert_chain(made.cert_file, keyfile=made.key_file)
    if not made.verify_ssl:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

    async def token() -> str:
        # A file that ends in a newline, as an editor leaves it, is no header.
        return str(await made.get_api_key_with_prefix("BearerToken") or "").strip()

    return Access(str(made.host), tls, token, server_name=made.tls_server_name, proxy=made.proxy)
