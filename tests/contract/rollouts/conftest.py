"""The clusters the suite runs on: the simulator always, a real one where it is named, K3s where Docker can pull.

SERINUS_TEST_KUBECONFIG names the real one, SERINUS_TEST_ADDRESS this machine's address as its pods reach it, and
SERINUS_TEST_IMAGE an image, without tag, that it can pull as `latest` and not as `never-ready`.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from serinus_rollouts.kubernetes.api import Api, ClusterError, connect

from tests.contract.rollouts.cluster import Cluster
from tests.k3s import k3s
from tests.lacking import lacking
from tests.simulated import scenario, simulated

NAMESPACE = "serinus-contract"


@dataclass(frozen=True)
class Access:
    """`host` is this machine's address as Argo reaches it, `faults` that of a simulator's control."""

    kubeconfig: Path
    host: str = "127.0.0.1"
    faults: str = ""


@pytest.fixture(scope="session", params=["simulator", "cluster", "k3s"])
def access(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    folder = tmp_path_factory.mktemp("rollouts")
    if request.param == "simulator":
        with simulated(folder, scenario()) as world:
            yield Access(world.kubeconfig, faults=world.url)
    elif request.param == "k3s":
        with k3s(folder) as made:
            yield Access(made.kubeconfig, made.host)
    elif named := os.environ.get("SERINUS_TEST_KUBECONFIG"):
        yield Access(Path(named), os.environ.get("SERINUS_TEST_ADDRESS", "127.0.0.1"))
    else:
        lacking("a cluster with Argo Rollouts", "name one by SERINUS_TEST_KUBECONFIG", in_ci=True)


@pytest.fixture
async def cluster(access: Access) -> AsyncIterator[Cluster]:
    async with await connect(str(access.kubeconfig), "") as client:
        api = Api(client, timeout=10)
        with contextlib.suppress(ClusterError):
            await api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": NAMESPACE}})
        made = Cluster(api, NAMESPACE, access.host, faults=access.faults)
        yield made
        await made.clean()
