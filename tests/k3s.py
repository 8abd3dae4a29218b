"""A K3s with Argo Rollouts in a container, where there is a Docker that can pull; elsewhere the tests are skipped.

They are skipped in CI too: whether images can be pulled is no property of the code, and the same suite runs on any
cluster that SERINUS_TEST_KUBECONFIG names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker.errors import DockerException
from testcontainers.community.k3s import K3SContainer

from tests.lacking import lacking

IMAGE = "rancher/k3s:v1.34.1-k3s1"
ARGO = "https://github.com/argoproj/argo-rollouts/releases/download/v1.10.2/install.yaml"


@dataclass(frozen=True)
class K3s:
    """`host` is this machine's address as the cluster's pods reach it."""

    kubeconfig: Path
    host: str


@contextmanager
def k3s(folder: Path) -> Iterator[K3s]:
    try:
        container = K3SContainer(IMAGE).start()
    except DockerException as error:
        lacking(f"a Docker that can pull {IMAGE}", str(error).splitlines()[0][:200], in_ci=True)
    try:
        for command in (
            "kubectl create namespace argo-rollouts",
            f"kubectl apply --server-side -n argo-rollouts -f {ARGO}",
            "kubectl rollout status -n argo-rollouts deployment/argo-rollouts --timeout=180s",
        ):
            code, output = container.exec(command)
            if code != 0:
                lacking("Argo Rollouts in K3s", f"{command}: {output.decode(errors='replace')[-300:]}", in_ci=True)
        path = folder / "kubeconfig"
        path.write_text(container.config_yaml())
        networks = container.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
        yield K3s(path, next(iter(networks.values()))["Gateway"])
    finally:
        container.stop()
