"""`serinus validate`: is a policy right, and does it fit its Rollout?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.text import Text
from serinus_contracts import CanaryPolicy, Run
from serinus_contracts.provider_namespaces import OPEN, ProviderAccess, may_use, refusal
from serinus_rollouts.instrumentations import blind
from serinus_rollouts.policies import matches
from serinus_rollouts.policy_documents import load_file
from serinus_rollouts.policy_warnings import not_waited_for, warnings
from serinus_rollouts.reading import view
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import stages
from serinus_runtime.documents import DocumentError

from serinus.options import Output, Providers, fail
from serinus.terminal import say

Manifest = dict[str, Any]

Files = Annotated[list[Path], typer.Argument(help="Policy files.")]
RolloutFile = Annotated[
    Path | None, typer.Option("--rollout", "-r", help="The Rollout's manifest, to check stages and pauses too.")
]


def validate(files: Files, providers: Providers, output: Output, rollout: RolloutFile = None) -> None:
    """Check policies as the controller does.

    With file, line, column, and what was probably meant.
    """
    manifests = _rollouts(rollout) if rollout else []
    problems: list[str] = []
    hints: list[str] = []
    good = 0
    for file in files:
        try:
            policies = load_file(file)
        except DocumentError as error:
            problems += str(error).splitlines()
            continue
        good += len(policies)
        for policy in policies:
            hints += advice(policy)
            problems += _provider(policy, providers.access) if not manifests else ()
            meant = meant_by(policy, manifests)
            if manifests and not meant:
                hints.append(f"policy {policy.metadata.name} matches no Rollout of {rollout}")
            for seen in meant:
                advised, fits = against(policy, seen, providers.access)
                hints += advised
                problems += fits
    if output.data:
        output.document({"policies": good, "errors": problems, "warnings": hints})
    else:
        for problem in problems:
            output.terminal.print(Text.assemble(("error:", "red"), f" {problem}"), soft_wrap=True)
        for hint in hints:
            output.terminal.print(Text.assemble(("warning:", "yellow"), f" {hint}"), soft_wrap=True)
        if not problems:
            say(f"{good} polic{'y' if good == 1 else 'ies'} valid")
    if problems:
        raise typer.Exit(1)


def read_rollout(file: Path) -> RolloutView:
    """The first Rollout of a manifest."""
    return read_manifest(file, "default")[1]


def read_manifest(file: Path, namespace: str) -> tuple[Manifest, RolloutView]:
    """The first Rollout of a manifest as it stands there and as it is seen, of `namespace` where it names none."""
    manifest = _rollouts(file)[0]
    return manifest, _viewed(manifest, namespace)


def meant_by(policy: CanaryPolicy, manifests: Sequence[Manifest]) -> list[RolloutView]:
    """The Rollouts of a manifest that a policy is for; one alone is meant by whoever names it."""
    namespace = policy.spec.match.namespace or policy.metadata.namespace or "default"
    found = [_viewed(one, namespace) for one in manifests]
    return found if len(found) == 1 else [seen for seen in found if matches(policy, seen)]


def _rollouts(file: Path) -> list[Manifest]:
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        fail(f"{file}: {error}")
    found = [one for one in documents if isinstance(one, dict) and one.get("kind") == "Rollout"]
    return found or fail(f"{file}: no Rollout in it")


def _viewed(manifest: Manifest, namespace: str) -> RolloutView:
    # A manifest has not been stored yet: what the server would add is made up.
    made_up = {"name": "unnamed", "namespace": namespace, "uid": "manifest", "resourceVersion": "0"}
    given = manifest.get("metadata")
    return view({**manifest, "metadata": {**made_up, **(given if isinstance(given, dict) else {})}})


def advice(policy: CanaryPolicy) -> list[str]:
    """What is allowed, and seldom wise."""
    name = policy.metadata.name
    hints = []
    for metric in policy.spec.metrics:
        margin = metric.margin
        if margin is not None and margin.ratio == 1 and not margin.absolute:
            hints.append(
                f"policy {name}, metric {metric.name}: a margin of ratio 1 leaves no room for noise; without a day of "
                "history to measure it by, up to one healthy release in ten was aborted under autocorrelated noise. "
                "Nor can a nonInferiority gate show that a canary equal to stable keeps it. "
                f"Write {'at most 0.95' if metric.better == 'higher' else 'at least 1.25'}"
            )
        preset = (metric.source or policy.spec.source).preset
        if metric.preset == "http-errors" and (unseen := blind(preset, metric.metric)):
            hints.append(f"policy {name}, metric {metric.name}: {unseen}")
    hints += not_waited_for(policy)
    if policy.spec.mode == "shadow":
        hints.append(f"policy {name} is in shadow mode: it reports what it would do, and does nothing")
    return hints


def _provider(policy: CanaryPolicy, access: ProviderAccess) -> list[str]:
    """Why a policy that says its namespace may not ask its provider."""
    namespace, name = policy.spec.match.namespace or policy.metadata.namespace, policy.spec.source.provider
    if namespace is None or may_use(access, name, namespace):
        return []
    return [f"policy {policy.metadata.name}: {refusal(name, namespace)}"]


def against(policy: CanaryPolicy, seen: RolloutView, access: ProviderAccess = OPEN) -> tuple[list[str], list[str]]:
    """Warnings and errors of a policy on a Rollout."""
    run = Run(
        cluster="manifest",
        namespace=seen.namespace,
        name=seen.name,
        uid=seen.uid,
        canary_hash="canary",
        stable_hash="stable",
        attempt=1,
    )
    found = stages(seen.steps)
    try:
        resolve(policy, run, found, seen.ping_pong, access)
    except UnfitPolicyError as error:
        return [], [str(error)]
    return warnings(policy, found, seen), []
