"""The user's own access to a cluster, as kubectl has it: --kubeconfig, else KUBECONFIG, else ~/.kube/config."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from serinus_rollouts.kubernetes.api import ROLLOUTS, Api, ClusterError, connect
from serinus_rollouts.kubernetes.session import namespace_of

from serinus.options import INTERRUPTED, Access, fail

TIMEOUT = 10.0


@dataclass(frozen=True)
class Cluster:
    """A connection, and the namespace that is meant where none is named."""

    api: Api
    namespace: str

    def place(self, rollout: str, namespace: str | None = None) -> tuple[str, str]:
        """Namespace and name of `name` or `namespace/name`."""
        given, _, name = rollout.rpartition("/")
        return namespace or given or self.namespace, name

    async def rollout(self, namespace: str, name: str) -> Any:
        """The Rollout's object, None if there is none. Raises ClusterError."""
        return await self.api.find(path(namespace, name))


def path(namespace: str, name: str) -> str:
    """Of the Rollout in the API server."""
    return f"{ROLLOUTS}/namespaces/{namespace}/rollouts/{name}"


async def with_cluster(access: Access, use: Callable[[Cluster], Awaitable[None]]) -> None:
    """Run `use` on a cluster. Raises ValueError where no access is configured, ClusterError where it is refused."""
    file = access.kubeconfig or str(Path.home() / ".kube" / "config")
    if not any(Path(part).expanduser().exists() for part in file.split(os.pathsep)):
        raise ValueError(f"no kubeconfig at {file}: give --kubeconfig, or set KUBECONFIG")
    namespace = namespace_of(file, access.context)
    async with await connect(file, access.context) as client:
        await use(Cluster(Api(client, TIMEOUT), namespace))


def run(work: Awaitable[None], interrupted: Callable[[], None] = lambda: None) -> None:
    """Run to the end; what the cluster or its configuration refuses is an error for the person at the terminal."""

    async def wait() -> None:
        await work

    # asyncio would cancel the task once, which a library that is just then connecting was seen to swallow.
    signal.signal(signal.SIGINT, _interrupt)
    try:
        asyncio.run(wait())
    except KeyboardInterrupt:
        interrupted()
        raise typer.Exit(INTERRUPTED) from None
    except (ClusterError, ValueError) as error:
        fail(str(error))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
