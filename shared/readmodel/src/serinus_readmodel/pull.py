"""The answer for whoever pulls: Argo's web metric asks for the verdict instead of being patched.

Argo takes `proceed` as success and `abort` as failure; everything else is inconclusive and asked again. So whatever is
not a fresh verdict about the present step of a live run is neither of the two.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field
from serinus_contracts.base import Contract, Millis
from serinus_contracts.freshness import stale
from serinus_contracts.frozen import frozen
from serinus_contracts.weight import Percent

from serinus_readmodel.run_view import RunView


class PullVerdict(Contract):
    """What the endpoint answers, always with status 200: an error would count towards Argo's error limit."""

    verdict: Literal["proceed", "abort", "hold", "unknown"]
    reason: str = Field(
        description="the verdict's reason code, or stale, other_step, held, frozen, await_approval, no_verdict, "
        "unknown_run, ambiguous, starting"
    )
    sentence: str
    run: str | None = None
    hash: str | None = None
    step: int | None = None
    weight: Percent | None = None
    age: float | None = Field(None, description="seconds since the end of the snapshot that the verdict rests on")


def find(views: Iterable[RunView], namespace: str, name: str, hash_: str, cluster: str) -> Sequence[RunView]:
    """The live runs of a Rollout; `hash_` and `cluster` narrow them where they are not empty."""
    return [
        view
        for view in views
        if (view.observed.run.namespace, view.observed.run.name) == (namespace, name)
        and view.observed.outcome is None
        and hash_ in ("", view.observed.run.canary_hash)
        and cluster in ("", view.observed.run.cluster)
    ]


def answer(found: Sequence[RunView], rollout: str, now: Millis) -> PullVerdict:
    """The verdict on the one run that was found."""
    if not found:
        return PullVerdict(verdict="unknown", reason="unknown_run", sentence=f"no live run of {rollout}")
    if len(found) > 1:
        runs = ", ".join(f"{view.observed.run.cluster} {view.observed.run.canary_hash}" for view in found)
        return PullVerdict(verdict="unknown", reason="ambiguous", sentence=f"several live runs ({runs}): give hash")
    view = found[0]
    run, said = view.observed.run, view.verdict
    about = PullVerdict(
        verdict="hold",
        reason="no_verdict",
        sentence="no verdict yet",
        run=run.id,
        hash=run.canary_hash,
        step=view.observed.step,
        weight=view.observed.set_weight,
        age=None if said is None else max(0.0, (now - said.end) / 1000),
    )

    def hold(reason: str, sentence: str) -> PullVerdict:
        return about.model_copy(update={"reason": reason, "sentence": sentence})

    if said is None or view.plan is None:
        return about
    if stale(said.end, view.plan, now):
        return hold("stale", f"the last verdict is {about.age:.0f} s old: is a collector or an analyzer missing?")
    judged = about.model_copy(update={"verdict": said.verdict, "reason": said.reason, "sentence": said.sentence})
    if said.verdict == "abort":
        return judged  # about the release, not about a step
    if view.current is None or said.stage_started != view.observed.stage_started:
        return hold("other_step", "the last verdict is about another step; waiting for the next one")
    if said.verdict == "proceed" and view.operator.held_by:
        return hold("held", f"on hold by {view.operator.held_by}")
    freeze = frozen(view.plan.freeze, now)
    if said.verdict == "proceed" and freeze:
        return hold("frozen", freeze)
    if said.verdict == "proceed" and view.stage and view.stage.approval and said.step not in view.operator.approvals:
        return hold("await_approval", f"waiting for approval: serinus approve {run.rollout}")
    return judged
