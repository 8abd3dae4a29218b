"""The commands `serinus doctor` and `serinus init`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table
from rich.text import Text
from serinus_collecting.ports import ProviderError
from serinus_contracts import Keys
from serinus_contracts.provider_namespaces import ProviderAccess
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView
from serinus_runtime.clock import now_ms
from serinus_runtime.redis import connected

from serinus.cluster import Cluster, run, with_cluster
from serinus.doctor import checks, metrics, policy, stores
from serinus.doctor import provider as provider_checks
from serinus.doctor.checks import Check
from serinus.doctor.first_policy import write
from serinus.doctor.provider import PrometheusOption
from serinus.options import Access, Output, Providers, Streams, fail, without_password
from serinus.provider import ADDRESS, ProvidersFile, ReachedProvider, reached
from serinus.terminal import Terminal, say
from serinus.validate import read_manifest

_MARKS = {"ok": "✔", "warning": "!", "failed": "✖"}
_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}

Target = Annotated[str | None, typer.Argument(help="A Rollout, name or namespace/name, to check its metrics too.")]
Policies = Annotated[Path | None, typer.Option("--policies", envvar="SERINUS_POLICIES", help="File or folder.")]
VerdictUrl = Annotated[str, typer.Option("--verdict-url", help="The verdict endpoint that Argo asks.")]


def doctor(
    access: Access,
    source: Streams,
    providers: Providers,
    output: Output,
    rollout: Target = None,
    prometheus: PrometheusOption = ADDRESS,
    providers_file: ProvidersFile = None,
    policies: Policies = None,
    verdict_url: VerdictUrl = "",
) -> None:
    """Check Redis, Prometheus, rights, policy and metrics.

    Each failure says how to fix it. Exit code 1 if one failed.
    """
    found: list[Check] = []

    async def examine() -> None:
        streams = source.beside_cluster()
        keys, where = Keys(streams.tag), without_password(streams.url)
        async with connected(streams.redis) as client:
            found.extend([check async for check in checks.redis(client, keys, where)])
        async with reached(prometheus, providers_file) as provider, httpx.AsyncClient() as http:
            found.extend([check async for check in provider_checks.checks(provider)])
            if verdict_url:
                found.append(await checks.endpoint(http, verdict_url))
            given, wrong = policy.from_files(policies) if policies else ([], [])
            found.extend(wrong)

            async def look(cluster: Cluster) -> None:
                place = cluster.place(rollout or "", access.namespace)
                found.extend([check async for check in checks.cluster(cluster.api, place[0])])
                if rollout and found[-1].name != "cluster":
                    resources, unfit = await policy.from_cluster(cluster.api, place[0], providers.access)
                    found.extend(unfit)
                    found.extend(await _examined(cluster, place, given + resources, provider, providers.access))

            try:
                await with_cluster(access, look)
            except (ValueError, ClusterError) as error:
                found.append(Check("cluster", "failed", str(error), "give --kubeconfig and --context"))

    run(examine())
    if output.data:
        output.document([asdict(check) for check in found])
    else:
        output.terminal.print(_table(found))
    if any(check.state == "failed" for check in found):
        raise typer.Exit(1)


async def _examined(
    cluster: Cluster, place: tuple[str, str], known: Any, provider: ReachedProvider, access: ProviderAccess
) -> Sequence[Check]:
    """All about one Rollout."""
    document = await cluster.rollout(*place)
    if document is None:
        return [Check("rollout", "failed", f"there is no Rollout {'/'.join(place)}", "kubectl get rollouts -A")]
    seen = view(document)
    found = list(policy.rollout(seen))
    plan, told = policy.chosen(known, seen, access)
    found += told
    if plan and (wrong := stores.other_kind(plan, provider.store)):
        found.append(wrong)
    elif plan and provider.store is not None:
        found += await stores.metrics(plan, provider.store, now_ms(), seen.releasing)
    elif plan:
        pods = await policy.pods(cluster.api, seen)
        service = str(((document["spec"].get("strategy") or {}).get("canary") or {}).get("canaryService") or "")
        grpc = await policy.speaks_grpc(cluster.api, seen.namespace, service)
        told, counts = await metrics.metrics(plan, provider.prometheus, now_ms(), seen.releasing, pods, grpc)
        found += [*told, *metrics.buckets(plan, counts), *metrics.power(plan, counts)]
    return found


def _table(found: Sequence[Check]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in found:
        said = Text(check.said)
        if check.fix:
            said.append(f"\n→ {check.fix}", style="bold" if check.state == "failed" else "")
        table.add_row(Text(_MARKS[check.state], style=_STYLES[check.state]), Text(check.name), said)
    return table


def init(
    rollout: Annotated[str, typer.Argument(help="The Rollout, name or namespace/name, or the file of its manifest.")],
    access: Access,
    prometheus: PrometheusOption = ADDRESS,
    providers_file: ProvidersFile = None,
) -> None:
    """Write a first policy for a Rollout, in shadow mode.

    From what its cluster, or its manifest, and Prometheus have.
    """

    async def propose(document: Any, seen: RolloutView) -> None:
        canary = document["spec"].get("strategy", {}).get("canary", {})
        services = (str(canary.get("canaryService", "")), str(canary.get("stableService", "")))
        ingress = str(((canary.get("trafficRouting") or {}).get("nginx") or {}).get("stableIngress") or "")
        async with reached(prometheus, providers_file) as provider:
            try:
                text, notes = await write(provider.promql(), seen, services, now_ms(), ingress)
            except ProviderError as error:
                fail(f"{provider.shown}: {error}\nGive the address of Prometheus by --prometheus.")
        say(text, end="")
        for note in notes:
            Terminal(stderr=True).print(Text.assemble(("note:", "yellow"), f" {note}"), soft_wrap=True)

    async def look(cluster: Cluster) -> None:
        place = cluster.place(rollout, access.namespace)
        document = await cluster.rollout(*place)
        if document is None:
            fail(f"there is no Rollout {'/'.join(place)}")
        await propose(document, view(document))

    if rollout.endswith((".yaml", ".yml", ".json")):
        document, seen = read_manifest(Path(rollout), access.namespace or "default")
        run(propose(document, seen))
    else:
        run(with_cluster(access, look))
