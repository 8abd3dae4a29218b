"""What the page of a run shows beside its metrics: stages, actions with their consequence, exposure, pods, audit."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from serinus_contracts import DecisionTaken, Finding, Pod
from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from serinus_contracts.standstill import standstill
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration, percent, words
from serinus_readmodel.run_history import Change, RunHistory
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import unevaluated
from ulid import ULID


class StageLine(NamedTuple):
    """`when` is done, now or next."""

    weight: float
    when: str
    gate: str
    changes: Sequence[Change]


def stages(history: RunHistory) -> list[StageLine]:
    """A line for each stage of the plan, with the changes of verdict in it."""
    plan, seen = history.view.plan, history.view.observed
    lines = []
    for i, stage in enumerate(plan.stages if plan else ()):
        when = "done" if i < seen.stage or (i == seen.stage and seen.outcome) else "now" if i == seen.stage else "next"
        gate = {"noRegression": "no regression is seen", "nonInferiority": "shown to be no worse than allowed"}[
            stage.gate
        ]
        gate = f"{duration(stage.minimum)} to {duration(stage.maximum)}, promoted when {gate}"
        gate += ", and a person approves" if stage.approval else ""
        lines.append(StageLine(stage.weight, when, gate, [one for one in history.changes if one.stage == i]))
    return lines


class Offer(NamedTuple):
    """Something a person can do, and what follows. `move`: what it does to the weight. `tone` is of its button: first
    for what is waited for, warn for more traffic, grave for an abort. `blocked`: why it cannot be done now."""

    verb: Verb
    label: str
    consequence: str
    tone: Literal["", "first", "warn", "grave"] = ""
    move: str = ""
    blocked: str = ""

    @property
    def text(self) -> str:
        """What stands on its button."""
        return f"{self.label}: {self.move}" if self.move else self.label


def offers(view: RunView, now: Millis) -> list[Offer]:
    """What can be done, always in the same places: what comes and goes stands last."""
    seen, plan = view.observed, view.plan
    if seen.outcome:
        text = "Argo starts the same version again, from its first step, as a new attempt."
        return [Offer("retry", "Retry", text)] if seen.outcome == "aborted" else []
    text = f"All traffic goes back to stable {seen.run.stable_hash}. Argo scales the canary down."
    found = [Offer("abort", "Abort", text, "grave")]
    if view.operator.held_by:
        found.append(Offer("resume", "Resume", "Verdicts take effect again.", "first"))
    else:
        found.append(Offer("hold", "Hold", "No verdict promotes it until it is resumed. A regression still aborts it."))
    found.append(_advance(view, now))
    if view.awaits_person or (view.stage and view.stage.approval and seen.step not in view.operator.approvals):
        following = [stage.weight for stage in plan.stages[seen.stage + 1 :]] if plan else []
        target = f"{weight_text(following[0])} of the traffic" if following else "all traffic"
        text = f"The canary gets {target} as soon as a verdict says proceed."
        if view.awaits_person:
            text = f"The canary gets {target} now: the verdict is to proceed."
        found.append(Offer("approve", "Approve", text, "first" if view.awaits_person else ""))
    return found


def _advance(view: RunView, now: Millis) -> Offer:
    seen, plan = view.observed, view.plan
    weight, target, last = weight_text(seen.set_weight), "", True
    if plan and view.stage:
        following = [stage.weight for stage in plan.stages[seen.stage + 1 :]]
        target = weight_text(following[0]) if following else "100 %"
        last = not view.stage.gates or seen.step >= view.stage.gates[-1]
    blocked = ""
    if seen.gate_started is None:
        blocked = "The Rollout is not paused at a gate now."
    elif unevaluated(view, now):
        blocked = f"No evaluation at {weight} yet: wait for the first one."
    if not last or not target:
        return Offer(
            "advance", "Advance", f"The gate opens, whatever the verdict; it stays at {weight}.", "warn", "", blocked
        )
    text = f"The canary gets {target} of the traffic now, whatever the verdict: the gate opens."
    return Offer("advance", "Advance", text, "warn", f"{weight} to {target}", blocked)


class Exposure(NamedTuple):
    """`share` is what the canary really got in this stage, in percent; None where it was not counted."""

    set_weight: float
    actual_weight: float
    requests: str
    share: str | None
    expected: str
    mismatch: bool


def exposure(view: RunView, now: Millis) -> Exposure:
    """How much traffic the canary has, is to have, and had in this stage. `now` in ms."""
    seen, said = view.observed, view.verdict
    traffic = said.traffic if said and view.current else None
    total = traffic.canary + traffic.stable if traffic else 0
    return Exposure(
        seen.set_weight,
        seen.actual_weight,
        said.requests_until(seen.ended or now).replace(" requests", "", 1) if said else "none evaluated yet",
        percent(traffic.canary / total) if traffic and total else None,
        percent(traffic.expected) if traffic else weight_text(seen.actual_weight),
        bool(said and said.reason == "sample_ratio_mismatch"),
    )


def cause(view: RunView) -> str:
    """Why the analysis has stopped or cannot begin, as far as the Rollout shows it."""
    known = standstill(view.observed)
    return known.text if known else ""


def health(view: RunView, stale: bool) -> tuple[bool, Sequence[str]]:
    """Whether the data can be judged, and what there is to say about them."""
    said = view.verdict
    if said is None:
        return not stale, ("no evaluation yet",)
    quality, faults, notes = said.quality, [], []
    if stale:
        faults.append(f"analysis has stopped: {cause(view) or 'is a collector or an analyzer missing?'}")
    settling = {one.name for one in said.metrics if one.label == "settling"}
    missing = [name for name in quality.missing if name not in settling]
    if missing:
        faults.append(f"not evaluated: {', '.join(missing)} ({words(said.reason)})")
    elif quality.missing:
        notes.append("waiting for traffic to settle")
    if quality.gaps:
        faults.append(f"{quality.gaps} snapshots of this run could not be read")
    if quality.resets:
        notes.append(f"{quality.resets} counter resets, accounted for")
    if not said.calibrated:
        notes.append("too little history of stable: its noise is what this run has shown, else the default model")
    notes += [f"{one.name}: {one.left_out}" for one in said.metrics if one.left_out]
    if quality.newest:
        notes.append(f"latest sample {duration((said.end - quality.newest) / 1000)} old")
    return not faults, (*faults, *notes)


class PodLine(NamedTuple):
    """A pod on the page; `note`: what a check found on it."""

    name: str
    arm: str
    ready: bool
    restarts: int
    note: str


def pods(view: RunView) -> list[PodLine]:
    """The canary's pods first; of stable's only how many, and those that stand out."""
    notes = {pod: finding.text for finding in view.findings for pod in finding.pods}

    def line(pod: Pod) -> PodLine:
        return PodLine(pod.name, pod.arm, pod.ready, pod.restarts, notes.get(pod.name, ""))

    lines = [line(pod) for pod in view.observed.pods]
    shown = [one for one in lines if one.arm == "canary" or one.note or not one.ready or one.restarts]
    return sorted(shown, key=lambda one: (one.arm != "canary", not one.note, one.name))


def findings(view: RunView) -> Sequence[Finding]:
    """What other checks found, without what is of no importance."""
    return [one for one in view.findings if one.severity != "none"]


class AuditLine(NamedTuple):
    """Who did or asked what, in whose words, and what came of it. `pending`: not answered yet; `routine`: a hold by
    Serinus itself."""

    when: Millis
    who: str
    verified: bool
    what: str
    tone: str
    reason: str
    effect: str
    pending: bool = False
    routine: bool = False


_TONES = {"abort": "bad", "refused": "warn", "advance": "good", "promote": "good", "await_approval": "warn"}


def audit(history: RunHistory, now: Millis) -> list[AuditLine]:
    """Decisions, the newest first, above them what nobody has answered yet."""
    asked = {command.id: command for command in history.commands}
    lines = []
    for one in reversed(history.decisions):
        command = asked.get(one.cause)
        who = command.actor if command else one.actor
        verified = command.verified if command else one.actor == "serinus"
        routine = one.action == "hold" and command is None and one.asked is None
        effect = words(one.detail) if routine else _effect(one)
        lines.append(AuditLine(one.decided, who, verified, _what(one), _tone(one), one.reason, effect, routine=routine))
    waiting = [
        AuditLine(
            ULID.from_str(command.id).milliseconds,
            command.actor,
            command.verified,
            f"{command.verb} requested",
            "warn",
            command.reason,
            "waiting for the controller" if command.expires > now else "expired without an answer",
            True,
        )
        for command in reversed(history.pending)
    ]
    return waiting + lines


def _what(one: DecisionTaken) -> str:
    if one.asked:
        return one.asked
    verb = words(one.action)
    by_state = {"intended": f"would {verb}", "waiting": f"{verb} waits", "failed": f"{verb} failed"}
    return by_state.get(one.state, verb)


def _effect(one: DecisionTaken) -> str:
    """What came of it; a refusal, and what another verb led to, say so first."""
    refused = one.asked and one.action == "refused"
    return f"refused: {one.detail}" if refused else one.detail


def _tone(one: DecisionTaken) -> str:
    return "warn" if one.state in ("failed", "waiting") else _TONES.get(one.action, "calm")
