"""A plan for a policy outside of any cluster: on a Rollout's manifest, on a recorded plan's stages, or on its own."""

from collections.abc import Sequence
from pathlib import Path

from serinus_contracts import AnalysisPlan, CanaryPolicy, PlanStage, Run
from serinus_rollouts.policy_documents import load_file
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.stages import Stage, stages
from serinus_runtime.documents import DocumentError

from serinus.options import fail
from serinus.validate import read_rollout

NOBODY = Run(
    cluster="nowhere", namespace="default", name="rollout", uid="manifest", canary_hash="canary", stable_hash="stable",
    attempt=1,
)  # fmt: skip


def read_policy(file: Path) -> CanaryPolicy:
    """The one policy of a file."""
    try:
        found = load_file(file)
    except DocumentError as error:
        fail(str(error))
    if len(found) != 1:
        names = ", ".join(policy.metadata.name for policy in found) or "none"
        fail(f"{file} holds {len(found)} policies ({names}): give a file with one")
    return found[0]


def plan_for(policy: CanaryPolicy, run: Run, found: Sequence[Stage]) -> AnalysisPlan:
    """Ends the command with an error if the policy does not fit."""
    try:
        return resolve(policy, run, found)
    except UnfitPolicyError as error:
        fail(str(error))


def of_manifest(file: Path) -> tuple[Stage, ...]:
    """The stages of a Rollout's manifest."""
    return stages(read_rollout(file).steps)


def of_policy(policy: CanaryPolicy) -> tuple[Stage, ...]:
    """The stages that a policy names itself, each with one gate."""
    if not policy.spec.stages:
        fail(f"policy {policy.metadata.name} names no stages: give the Rollout's manifest by --rollout")
    return of_weights([rule.weight for rule in policy.spec.stages])


def of_weights(weights: Sequence[float]) -> tuple[Stage, ...]:
    """One stage for each weight (percent), with a gate at its end."""
    return tuple(Stage(weight, 2 * i, (2 * i + 1,), False) for i, weight in enumerate(weights))


def of_plan(recorded: Sequence[PlanStage]) -> tuple[Stage, ...]:
    """The stages that a run really had."""
    return tuple(Stage(stage.weight, stage.first_step, stage.gates, False) for stage in recorded)
