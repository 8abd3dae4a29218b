"""The clusters the suite runs on: the simulator always, a real one where it is named, K3s where Docker can pull."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from serinus_controller.adapters.kubernetes import Api, connect
from serinus_controller.service_layer.ports import ClusterError

from tests.contract.rollouts.cluster import Cluster
from tests.simulated import scenario, simulated

NAMESPACE = "serinus-contract"


@pytest.fixture(scope="session", params=["simulator", "cluster"])
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if request.param == "simulator":
        with simulated(tmp_path_factory.mktemp("rollouts"), scenario()) as world:
            yield world.kubeconfig
        return
    named = os.environ.get("SERINUS_TEST_KUBECONFIG")
    if named is None:
        pytest.skip("SERINUS_TEST_KUBECONFIG names no cluster with Argo Rollouts")
    yield Path(named)


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await connect(str(kubeconfig), "") as client:
        api = Api(client, timeout=10)
        with contextlib.suppress(ClusterError):
            await api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": NAMESPACE}})
        made = Cluster(api, NAMESPACE)
        yield made
        await made.clean()
