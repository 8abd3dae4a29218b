"""Argo Rollouts' analysis as a judge, for teams that bring their AnalysisTemplates (docs/how-to/migrating.md, ADR 17).

A metric over a stage is what an analysis step measures: again in each stage, from when its minimum has passed or its
startAfter says, and the stage waits for it. A metric over the run is a background analysis: it is measured from the
first of its weights on, may abort or hold at any time, and nothing waits for it to end. Failed and Error abort,
Inconclusive holds, Successful proceeds.

Unlike Argo's, no gate opens while a metric that counts is missing: its last measurement was an error, or it has none.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from math import inf, nan
from typing import Any

from serinus_contracts.base import Millis
from serinus_contracts.events import Label, MetricsCollected, Reason, Scalar
from serinus_contracts.metric import Conditions
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.argo_analysis import analysis_run, sentence
from serinus_judging.argo_analysis.analysis_run import Phase, Tally
from serinus_judging.assessment import Assessment, Fields
from serinus_judging.packing import EvidenceError
from serinus_judging.verdict_order import Facts, Opinion, assess

VERSION = 2
_FAULTS = ("Error", "Failed")


@dataclass(frozen=True)
class Evidence:
    """A tally for each metric of the plan. `begun`: when the analysis of each began (ms), None before."""

    tallies: tuple[Tally, ...]
    begun: tuple[Millis | None, ...]
    stage: int = -1
    stage_started: Millis = -1

    def pack(self) -> bytes:
        """A byte for the version, then JSON."""
        fields = asdict(self) | {"tallies": [astuple(tally) for tally in self.tallies]}
        return bytes([VERSION]) + json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> "Evidence":
        """The value that was packed. Raises EvidenceError for anything else."""
        try:
            if packed[0] != VERSION:
                raise EvidenceError(f"no evidence of version {VERSION}: {packed[:1].hex()}")
            fields = json.loads(packed[1:])
            tallies = tuple(Tally(*values) for values in fields["tallies"])
            return cls(**fields | {"tallies": tallies, "begun": tuple(fields["begun"])})
        except (IndexError, ValueError, TypeError, KeyError) as error:
            raise EvidenceError(f"no evidence of this judge: {error}") from error


class ThresholdJudge:
    """As `judges.Judge`."""

    def start(self, plan: AnalysisPlan) -> Evidence:
        """Nothing measured yet."""
        return Evidence((Tally(),) * len(plan.metrics), (None,) * len(plan.metrics))

    def judge(
        self, cases: Sequence[tuple[AnalysisPlan, Evidence, MetricsCollected]]
    ) -> list[tuple[Evidence, Assessment]]:
        """The tallies after a snapshot of each of different runs, and the judgement.

        After an abort they stay as they were when they decided. Raises EvidenceError for evidence of another plan.
        """
        return [_judged(*case) for case in cases]

    def load(self, packed: bytes) -> Evidence:
        """Evidence from bytes. Raises EvidenceError if they are not of this judge and version."""
        return Evidence.unpack(packed)


def _judged(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> tuple[Evidence, Assessment]:
    if len(evidence.tallies) != len(plan.metrics):
        raise EvidenceError(f"evidence of {len(evidence.tallies)} metrics does not fit the plan of {plan.policy}")
    conditions, facts = [_conditions(plan, i) for i in range(len(plan.metrics))], Facts(plan, snapshot)
    if facts.in_stage and not {_phase(conditions, evidence, over) for over in ("stage", "run")} & set(_FAULTS):
        evidence = _begun(plan, conditions, evidence, snapshot)
        evidence = replace(evidence, tallies=tuple(_measured(plan, conditions, evidence, snapshot)))
    _, assessment = assess(facts, _opinion(facts, conditions, evidence))
    statuses = {name: measured.status for name, measured in snapshot.metrics.items()}
    missing = [m.name for m in plan.metrics if statuses.get(m.name, "no_data") not in ("ok", "waiting")]
    return evidence, replace(assessment, missing=tuple(missing))


def _conditions(plan: AnalysisPlan, i: int) -> Conditions:
    source = plan.metrics[i].source
    if source.kind != "scalar":
        raise ValueError(f"judge threshold: metric {plan.metrics[i].name} is no query with conditions")
    return source.conditions


def _begun(
    plan: AnalysisPlan, conditions: Sequence[Conditions], evidence: Evidence, snapshot: MetricsCollected
) -> Evidence:
    """A new stage begins a new analysis; a background one too, if somebody went on though it was Inconclusive."""
    here = (snapshot.stage, snapshot.stage_started)
    if (evidence.stage, evidence.stage_started) == here:
        return evidence
    again = _phase(conditions, evidence, "run") == "Inconclusive"
    restarted = [one.over == "stage" or again for one in conditions]
    begun = (None if new else old for new, old in zip(restarted, evidence.begun, strict=True))
    return Evidence(
        tallies=tuple(Tally() if new else old for new, old in zip(restarted, evidence.tallies, strict=True)),
        begun=tuple(
            _begins(plan, one, snapshot) if old is None and _active(one, plan, snapshot.stage) else old
            for one, old in zip(conditions, begun, strict=True)
        ),
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
    )


def _begins(plan: AnalysisPlan, conditions: Conditions, snapshot: MetricsCollected) -> Millis:
    by_itself = plan.stages[snapshot.stage].minimum if conditions.over == "stage" else 0.0
    after = by_itself if conditions.start_after is None else conditions.start_after
    return snapshot.stage_started + round(1000 * after)


def _measured(
    plan: AnalysisPlan, conditions: Sequence[Conditions], evidence: Evidence, snapshot: MetricsCollected
) -> list[Tally]:
    """The tallies with the measurements that are due; an analysis that has ended measures nothing more."""
    running = {over: _phase(conditions, evidence, over) == "Running" for over in ("stage", "run")}
    tallies, operations = list(evidence.tallies), [0]
    for i, (metric, asked) in enumerate(zip(plan.metrics, conditions, strict=True)):
        measured = snapshot.metrics.get(metric.name)
        begun = evidence.begun[i]
        slack = plan.interval / 2
        if (
            isinstance(measured, Scalar)
            and running[asked.over]
            and _active(asked, plan, snapshot.stage)
            and begun is not None
            and analysis_run.due(asked, tallies[i], begun, snapshot.end, slack)
        ):
            ended, message = _outcome(asked, measured, operations)
            value = "" if ended == "Error" else sentence.shown(result_of(measured))
            tallies[i] = analysis_run.added(asked, tallies[i], ended, snapshot.end, value, message)
    return tallies


def _outcome(conditions: Conditions, measured: Scalar, operations: list[int]) -> tuple[analysis_run.Outcome, str]:
    if measured.status != "ok":
        return "Error", measured.detail or measured.status
    return analysis_run.outcome(conditions, result_of(measured), operations)


def result_of(measured: Scalar) -> Any:
    """What a condition sees as `result`: a tuple of floats, or of a query for one number that number."""
    values = tuple(nan if one is None else inf if one == "+Inf" else -inf if one == "-Inf" else one
                   for one in measured.values)  # fmt: skip
    return values if measured.vector else values[0] if values else None


def _active(conditions: Conditions, plan: AnalysisPlan, stage: int) -> bool:
    return conditions.weights is None or plan.stages[stage].weight in conditions.weights


def _phase(conditions: Sequence[Conditions], evidence: Evidence, over: str, plan: AnalysisPlan | None = None) -> Phase:
    """Of the analysis over this stage or over the run; with a plan, of what the stage is to measure."""
    return analysis_run.phase(
        (one, tally)
        for one, tally in zip(conditions, evidence.tallies, strict=True)
        if one.over == over and (plan is None or _active(one, plan, evidence.stage))
    )


def _lacking(
    plan: AnalysisPlan, conditions: Sequence[Conditions], evidence: Evidence, snapshot: MetricsCollected
) -> list[int]:
    """The metrics that count and go on here, and whose last measurement is an error or did not come when due."""

    def late(one: Conditions, begun: Millis | None) -> bool:
        return begun is not None and snapshot.end >= begun + 1000 * one.initial_delay

    return [
        i
        for i, (one, tally, begun) in enumerate(zip(conditions, evidence.tallies, evidence.begun, strict=True))
        if not (one.dry_run or tally.completed)
        and _active(one, plan, snapshot.stage)
        and (tally.last == "Error" or (tally.last is None and late(one, begun)))
    ]


def _opinion(facts: Facts, conditions: Sequence[Conditions], evidence: Evidence) -> Opinion:
    plan, snapshot = facts.plan, facts.snapshot
    counted = [(m.name, t) for m, c, t in zip(plan.metrics, conditions, evidence.tallies, strict=True) if not c.dry_run]
    worst: Phase = max((tally.phase for _, tally in counted), key=analysis_run.WORSE.index, default="Successful")
    lacking = _lacking(plan, conditions, evidence, snapshot) if facts.in_stage else []
    context = sentence.Context(plan, conditions, evidence.tallies, snapshot, worst, lacking)
    ended = worst in (*_FAULTS, "Inconclusive")
    done = not ended and not lacking and _phase(conditions, evidence, "stage", plan) == "Successful"
    return Opinion(
        "abort" if worst in _FAULTS else "proceed" if done else "hold",
        "rule" if ended or done else _waits_for(evidence),
        partial(sentence.say, context),
        partial(_report, plan, conditions, evidence, snapshot),
        stands=worst in _FAULTS,
        urgent=ended,
        may_proceed=not lacking,
        regressed=tuple([name for name, tally in counted if tally.phase in _FAULTS]),
    )


def _waits_for(evidence: Evidence) -> Reason:
    errors = [tally for tally in evidence.tallies if tally.last == "Error"]
    if not errors:
        return "insufficient_evidence"
    return "no_data" if all(tally.message == "no data" for tally in errors) else "provider_error"


_LABELS: dict[str, Label] = {
    "Failed": "worse", "Error": "error", "Inconclusive": "unclear", "Successful": "ok",
}  # fmt: skip


def _report(
    plan: AnalysisPlan, conditions: Sequence[Conditions], evidence: Evidence, snapshot: MetricsCollected
) -> tuple[Fields, ...]:
    found = []
    for metric, one, tally in zip(plan.metrics, conditions, evidence.tallies, strict=True):
        measured = snapshot.metrics.get(metric.name)
        running: Label = {"Failed": "warning", "Error": "error", None: "settling"}.get(tally.last, "unclear")  # type: ignore[assignment] # mypy forgets the literals
        found.append(
            {
                "name": metric.name,
                "label": _LABELS.get(tally.phase, running),
                "status": measured.status if measured else "no_data",
                "critical": metric.critical,
                "share": 0.0,
                "log_eprocess": 0.0,
                "run": (),
                "detail": sentence.progress(one, tally),
            }
        )
    return tuple(found)
