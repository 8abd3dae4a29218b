"""The Rollout and its policy: is there one, does it fit, and what becomes of the Rollout's pauses?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serinus_contracts import AnalysisPlan, CanaryPolicy, Run
from serinus_contracts.base import Arm
from serinus_contracts.crd import GROUP, PLURAL, VERSION
from serinus_contracts.provider_namespaces import OPEN, ProviderAccess
from serinus_contracts.weight import weight_text
from serinus_rollouts.kubernetes.api import Api, ClusterError
from serinus_rollouts.pods import HASH_LABEL, pod_view
from serinus_rollouts.policies import choose
from serinus_rollouts.policy_documents import load_file, read_resource
from serinus_rollouts.policy_warnings import not_waited_for, warnings
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import ADD_STEPS, NOTHING_TO_JUDGE, stages
from serinus_runtime.documents import DocumentError

from serinus.doctor.checks import Check
from serinus.doctor.measured import Pods


def from_files(place: Path) -> tuple[list[CanaryPolicy], list[Check]]:
    """The policies of a file or folder, and what is wrong with them."""
    files = sorted([*place.glob("*.yaml"), *place.glob("*.yml")]) if place.is_dir() else [place]
    found: list[CanaryPolicy] = []
    wrong = []
    for file in files:
        try:
            found += load_file(file)
        except DocumentError as error:
            wrong.append(Check("policy", "failed", str(error), f"serinus validate {file}"))
    return found, wrong


async def from_cluster(
    api: Api, namespace: str, access: ProviderAccess = OPEN
) -> tuple[list[CanaryPolicy], list[Check]]:
    """Those that are custom resources, and what is wrong with them; none where the resource is not known."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
    try:
        items: Any = (await api.request("GET", path)).get("items") or ()
    except ClusterError as error:
        if error.status == 404:
            return [], []
        fix = f"kubectl auth can-i list {PLURAL}.{GROUP} -n {namespace}"
        return [], [Check("policy", "warning", f"CanaryPolicy resources were not read: {error}", fix)]
    found: list[CanaryPolicy] = []
    wrong = []
    for item in items:
        try:
            found.append(read_resource(item, access))
        except DocumentError as error:
            fix = f"kubectl edit {PLURAL}.{GROUP} -n {namespace} {item['metadata']['name']}"
            wrong.append(Check("policy", "failed", str(error), fix))
    return found, wrong


def run_of(seen: RolloutView) -> Run:
    """The run that goes on, or a made-up one beside the stable version."""
    canary = seen.current_hash if seen.releasing else "none"
    return Run(
        cluster="doctor",
        namespace=seen.namespace,
        name=seen.name,
        uid=seen.uid,
        canary_hash=canary,
        stable_hash=seen.stable_hash or seen.current_hash,
        attempt=1,
    )


async def pods(api: Api, seen: RolloutView) -> Pods:
    """The pods of both arms; none where they may not be read, which the check of rights tells."""
    run = run_of(seen)
    owners: dict[str, Arm] = {f"{run.name}-{run.canary_hash}": "canary", f"{run.name}-{run.stable_hash}": "stable"}
    query = {"labelSelector": f"{HASH_LABEL} in ({run.canary_hash},{run.stable_hash})"}
    try:
        answer: Any = await api.request("GET", f"/api/v1/namespaces/{run.namespace}/pods", query=query)
        found = [view for view in map(pod_view, answer["items"]) if view.owner in owners]
    except (ClusterError, KeyError, ValueError):
        return Pods()
    return Pods(
        {view.name: (owners[view.owner], view.started) for view in found}, {view.name: view.restarts for view in found}
    )


async def speaks_grpc(api: Api, namespace: str, service: str) -> bool:
    """Whether a port of the Service says so by its name or appProtocol; False where that cannot be read."""
    try:
        found: Any = await api.request("GET", f"/api/v1/namespaces/{namespace}/services/{service}") if service else {}
    except ClusterError:
        return False
    said = [
        port.get(key) or "" for port in (found.get("spec") or {}).get("ports") or () for key in ("name", "appProtocol")
    ]
    return any(text == "grpc" or text.startswith("grpc-") for text in map(str.lower, said))


def rollout(seen: RolloutView) -> Iterator[Check]:
    """Its pauses: where verdicts may advance, and where Argo goes on by itself."""
    found = stages(seen.steps)
    name = "rollout"
    if not found:
        yield Check(name, "failed", f"{seen.key} {NOTHING_TO_JUDGE}", ADD_STEPS)
        return
    gates = [weight_text(stage.weight) for stage in found if stage.gates]
    open_ended = [weight_text(stage.weight) for stage in found if not stage.gates]
    state = "releasing" if seen.releasing else "stable"
    said = f"{seen.key} is {state}, gates at {', '.join(gates) or 'no weight'}"
    if open_ended:
        fix = "write `pause: {}` after these weights, else only an abort is possible there"
        yield Check(name, "warning", f"{said}; Argo goes on by itself at {', '.join(open_ended)}", fix)
    else:
        yield Check(name, "ok", said)
    if seen.aborted:
        yield Check("rollout state", "warning", "its last release was aborted", f"serinus report {seen.key}")
    if seen.spec_paused:
        yield Check(
            "rollout state",
            "warning",
            "it is paused by hand (spec.paused)",
            f"kubectl argo rollouts promote {seen.name}",
        )
    if not seen.routed:
        said = "without trafficRouting the weight is the share of pods, as near as whole pods allow"
        yield Check("rollout routing", "warning", said, "set trafficRouting for small weights")


def chosen(
    policies: list[CanaryPolicy], seen: RolloutView, access: ProviderAccess = OPEN
) -> tuple[AnalysisPlan | None, list[Check]]:
    """The plan that the Rollout would be judged by, and what is to say of its policy."""
    matching = choose(policies, seen)
    if not matching:
        fix = f"serinus init {seen.key} > policies/{seen.name}.yaml writes a first one"
        return None, [Check("policy", "failed", f"none of {len(policies)} policies is for {seen.key}", fix)]
    if len(matching) > 1:
        names = ", ".join(one.metadata.name for one in matching)
        return None, [Check("policy", "failed", f"several are for {seen.key}: {names}", "leave one, none is applied")]
    policy = matching[0]
    found = stages(seen.steps)
    try:
        plan = resolve(policy, run_of(seen), found, seen.ping_pong, access, grpc=seen.grpc)
    except UnfitPolicyError as error:
        return None, [Check("policy", "failed", str(error), f"change policy {policy.metadata.name}")]
    told = [
        Check("policy", "warning", text, f"change policy {policy.metadata.name}")
        for text in (*not_waited_for(policy), *warnings(policy, found, seen))
    ]
    return plan, [Check("policy", "ok", f"{policy.metadata.name} ({policy.spec.mode}) is for {seen.key}"), *told]
