"""Why a run does not get on, by what its Rollout shows: one order of causes for controller, console and command."""

from typing import Literal, NamedTuple

from serinus_contracts.events import RolloutObserved


class Standstill(NamedTuple):
    """`kind` is invalid (Argo does nothing at all), pause (before the first weight), pods (of the canary) or argo (it
    says that something is wrong)."""

    kind: Literal["invalid", "pause", "pods", "argo"]
    text: str


def standstill(seen: RolloutObserved) -> Standstill | None:
    """The first cause that explains the others; None where the Rollout shows none."""
    if seen.trouble.startswith("InvalidSpec"):
        return Standstill("invalid", f"Argo does nothing until the Rollout's spec is mended ({seen.trouble})")
    if seen.stage < 0 and seen.gate_started is not None:
        return Standstill("pause", paused_before_the_first_weight(seen.run.rollout))
    canary = [pod for pod in seen.pods if pod.arm == "canary"]
    ready = sum(pod.ready for pod in canary)
    # Where the weight is in force, one pod of several is the judge's to see.
    if not seen.outcome and canary and ready < len(canary) and not (seen.steady and ready):
        return Standstill("pods", f"{ready} of {len(canary)} canary pods ready{_in_brackets(seen.trouble)}")
    if seen.trouble and seen.phase == "Degraded":
        return Standstill("argo", f"Argo says {seen.trouble}")
    return None


def paused_before_the_first_weight(rollout: str) -> str:
    """What is said of a Rollout, `namespace/name`, that waits there, and how a person opens it."""
    namespace, _, name = rollout.rpartition("/")
    by_argo = f"kubectl argo rollouts promote {name}{f' -n {namespace}' * bool(namespace)}"
    return (
        "waits at a pause before the first setWeight, where nothing can be judged: a person opens it by "
        f"`serinus advance {rollout}` or `{by_argo}`"
    )


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""
