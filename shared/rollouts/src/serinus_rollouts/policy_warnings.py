"""What a team should know of a policy on its Rollout, though it can be applied."""

from collections.abc import Iterator, Sequence

from serinus_contracts.policy import CanaryPolicy
from serinus_contracts.weight import weight_text

from serinus_rollouts.instrumentations import unseen
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import Stage, pause_before_the_first_weight


def warnings(policy: CanaryPolicy, found: Sequence[Stage], view: RolloutView | None = None) -> list[str]:
    """A sentence for each thing that may not be meant; `view` is the Rollout, where it is known."""
    max_weight = view.max_weight if view else 100
    spec, name = policy.spec, policy.metadata.name
    texts = []
    timed = [weight_text(stage.weight) for stage in found if stage.timed and not stage.gates]
    if spec.mode == "enforce" and timed:
        texts.append(
            f"policy {name} enforces, but Argo goes on by itself after the timed pauses at {', '.join(timed)}: "
            "there only an abort is possible; write `pause: {}` to let verdicts advance the weight"
        )
    without = [weight_text(stage.weight) for stage in found if not stage.timed and not stage.gates]
    if spec.mode == "enforce" and without:
        texts.append(
            f"policy {name} enforces, but no pause follows the weight {', '.join(without)}: it is not waited for"
        )
    weights = {stage.weight for stage in found}
    known = ", ".join(_both_forms(weight, max_weight) for weight in sorted(weights))
    unknown = [weight_text(stage.weight) for stage in spec.stages if stage.weight not in weights]
    if unknown:
        texts.append(f"policy {name} has stages that the Rollout does not: {', '.join(unknown)}; it has {known}")
    for metric in spec.metrics:
        never = sorted(set(metric.conditions.weights or ()) - weights) if metric.conditions else []
        if never:
            texts.append(
                f"policy {name}, metric {metric.name}: the Rollout does not have the weight "
                f"{', '.join(map(weight_text, never))} at which it is to be measured; it has {known}"
            )
    return texts if view is None else [*texts, *_of_rollout(policy, view)]


def not_waited_for(policy: CanaryPolicy) -> list[str]:
    """A sentence for each metric of counts that no nonInferiority gate waits for, unless the policy says so itself."""
    spec, name = policy.spec, policy.metadata.name
    counted = [metric for metric in spec.metrics if metric.kind in ("proportion", "distribution")]
    if spec.judge.name != "sequential" or not any(metric.critical for metric in counted):
        return []
    return [
        f"policy {name}, metric {metric.name}: no gate waits for it to be shown no worse than allowed, since others "
        "are critical and it is not; it only holds one while it is shown to be worse. Write critical: true, or false "
        "if it is meant"
        for metric in counted
        if not metric.critical and "critical" not in metric.model_fields_set
    ]


def _of_rollout(policy: CanaryPolicy, view: RolloutView) -> Iterator[str]:
    """What the Rollout does that a team may not expect."""
    if paused := pause_before_the_first_weight(view):
        yield paused
    for metric in policy.spec.metrics:
        source = metric.source or policy.spec.source
        if metric.preset == "http-errors" and (blind := unseen(source.preset, metric.metric, view.grpc)):
            yield f"policy {policy.metadata.name}, metric {metric.name}: each snapshot will be an error: {blind}"
    if view.max_weight != 100 and not {"nginx", "plugins"} & {*view.routers}:
        yield f"Rollout {view.key} is InvalidSpec: Argo takes a maxTrafficWeight with nginx and plugins only"
    if policy.spec.source.exclude is None and any(step.route and not step.removes for step in view.steps):
        yield (
            f"Rollout {view.key} sends the canary requests beside its weight (setMirrorRoute, setHeaderRoute): "
            f"while it does the split of the traffic is not tested, unless policy {policy.metadata.name} has a "
            "source.exclude that leaves them out"
        )


def _both_forms(weight: float, max_weight: int) -> str:
    """5 %, or 5 % (50 of 1000) where the Rollout does not count in percent."""
    if max_weight == 100:
        return weight_text(weight)
    return f"{weight_text(weight)} ({round(weight * max_weight / 100)} of {max_weight})"
