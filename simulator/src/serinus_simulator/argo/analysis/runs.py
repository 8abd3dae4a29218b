"""What one pass over a Rollout does about its AnalysisRuns: start, end, heed and clear them away."""

from __future__ import annotations

from collections.abc import Generator

from serinus_simulator.argo.analysis.arguments import of_rollout
from serinus_simulator.argo.analysis.assessing import COMPLETED
from serinus_simulator.argo.analysis.templates import referenced, run_spec
from serinus_simulator.argo.context import Context, Writing
from serinus_simulator.argo.view import HASH_LABEL, REVISION, owner_reference
from serinus_simulator.kubernetes.kinds import ANALYSIS_RUNS, Object

INCONCLUSIVE = "InconclusiveAnalysisRun"
TYPE, STEP_INDEX = "rollout-type", "step-index"
STEP, BACKGROUND = "currentStepAnalysisRunStatus", "currentBackgroundAnalysisRunStatus"
"""Where the status of a canary names its runs."""
_WORDS = {STEP: ("Step", "Step-based analysis"), BACKGROUND: ("Background", "Background analysis")}
KEPT = 5
"""Finished runs that are kept, as many successful ones as others."""


def reconcile(context: Context) -> Writing:
    """Leaves in `context.analysis` what the status says of the runs, and in its intent what they bring about."""
    rollout = context.rollout
    runs = context.store.owned(ANALYSIS_RUNS, rollout.uid)
    named = {where: (rollout.status.get("canary") or {}).get(where) or {} for where in (STEP, BACKGROUND)}
    current = {
        where: next((run for run in runs if run["metadata"]["name"] == status.get("name")), None)
        for where, status in named.items()
    }
    context.analysis = {}
    promoted = rollout.fully_promoted and context.version != "1.9.1"
    if context.aborted or rollout.status.get("promoteFull") or not rollout.stable_hash or promoted:
        yield from _end(context, *current.values())
        if context.version == "1.9.1":
            context.analysis = {where: status for where, status in named.items() if status}
    else:
        current[STEP] = yield from _of_step(context, current[STEP])
        current[BACKGROUND] = yield from _in_background(context, current[BACKGROUND])
        for where, run in current.items():
            if run is not None:
                context.analysis[where] = _told(run)
                _tell_change(context, where, named[where], run)
        context.step_run = current[STEP]
    others = [run for run in runs if run["metadata"]["name"] not in {_name(one) for one in current.values()}]
    yield from _end(context, *others)
    yield from _clear_away(context, others)


def _of_step(context: Context, run: Object | None) -> Generator[None, None, Object | None]:
    rollout, step = context.rollout, context.rollout.step
    if rollout.pause_conditions or rollout.status.get("abort"):
        return run
    analysis = (step or {}).get("analysis")
    of_another_step = run is not None and run["metadata"]["labels"].get(STEP_INDEX) != str(rollout.index)
    if not analysis or of_another_step:
        yield from _end(context, run)
        return None
    if _needs_new(context, run):
        labels = {TYPE: "Step", STEP_INDEX: str(rollout.index)}
        return (yield from _start(context, analysis, labels, f"-{rollout.index}"))
    _heed(context, STEP, run)
    return run


def _in_background(context: Context, run: Object | None) -> Generator[None, None, Object | None]:
    rollout = context.rollout
    analysis = rollout.canary.get("analysis")
    if not analysis:
        yield from _end(context, run)
        return None
    before_its_step = rollout.index < int(analysis.get("startingStep") or 0)
    if rollout.fully_promoted or not rollout.current_hash or before_its_step:
        return None
    if rollout.pause_condition(INCONCLUSIVE) is not None:
        return run
    if _needs_new(context, run):
        return (yield from _start(context, analysis, {TYPE: "Background"}, ""))
    _heed(context, BACKGROUND, run)
    return run


def _needs_new(context: Context, run: Object | None) -> bool:
    """There is none; or somebody went on from the pause that an inconclusive one brought; or after an abort."""
    rollout = context.rollout
    if run is None:
        return True
    if rollout.status.get("controllerPause") and rollout.pause_condition("CanaryPauseStep") is None:
        return _phase(run) == "Inconclusive"
    return "abortedAt" in rollout.status


def _heed(context: Context, where: str, run: Object | None) -> None:
    phase = _phase(run)
    if phase == "Inconclusive":
        context.intent.add_pauses.append(INCONCLUSIVE)
    elif phase in ("Error", "Failed"):
        message = (run or {})["status"].get("message")
        context.intent.add_abort = True
        context.intent.abort_message = f"{_WORDS[where][1]} phase error/failed" + (f": {message}" if message else "")


def _start(
    context: Context, analysis: Object, labels: dict[str, str], suffix: str
) -> Generator[None, None, Object | None]:
    """Create a run. Its name gets a number where there is one of that name already. Raises AnalysisError."""
    rollout, new = context.rollout, context.new
    if new is None:
        return None
    templates = referenced(context.store, rollout.namespace, analysis.get("templates") or [])
    arguments = of_rollout(analysis.get("args") or [], rollout, new, context.stable)
    extra = analysis.get("analysisRunMetadata") or {}
    name = first = f"{rollout.name}-{new.hash}-{rollout.revision}{suffix}"
    number = 0
    while context.store.peek(ANALYSIS_RUNS, rollout.namespace, name) is not None:
        number += 1
        name = f"{first}.{number}"
    selector = rollout.selector.get("matchLabels") or {}
    run: Object = {
        "metadata": {
            "name": name,
            "labels": {HASH_LABEL: new.hash, **labels, **(extra.get("labels") or {}), **selector},
            "annotations": {REVISION: str(rollout.revision), **(extra.get("annotations") or {})},
            "ownerReferences": [owner_reference(rollout.object)],
        },
        "spec": run_spec(templates, analysis, arguments, context.version),
        "status": {"phase": "", "runSummary": {}},
    }
    yield
    return context.store.create(ANALYSIS_RUNS, rollout.namespace, run)


def _end(context: Context, *runs: Object | None) -> Writing:
    """Terminate those that still run."""
    for run in runs:
        if run is None or _phase(run) in COMPLETED or run["spec"].get("terminate"):
            continue
        yield
        context.store.modify(
            ANALYSIS_RUNS,
            context.rollout.namespace,
            run["metadata"]["name"],
            lambda old: old | {"spec": old["spec"] | {"terminate": True}},
        )


def _clear_away(context: Context, runs: list[Object]) -> Writing:
    """Delete finished runs beyond those that are kept, and those whose ReplicaSet is gone."""
    limits = context.rollout.spec.get("analysis") or {}
    left = {
        True: int(limits.get("successfulRunHistoryLimit", KEPT)),
        False: int(limits.get("unsuccessfulRunHistoryLimit", KEPT)),
    }
    hashes = {one.hash for one in context.all_replica_sets()}
    for run in reversed(runs):
        successful = _phase(run) == "Successful"
        orphan = run["metadata"]["labels"].get(HASH_LABEL) not in hashes
        if _phase(run) in COMPLETED and not orphan:
            left[successful] -= 1
        if orphan or (_phase(run) in COMPLETED and left[successful] < 0):
            yield
            if context.store.peek(ANALYSIS_RUNS, context.rollout.namespace, run["metadata"]["name"]) is not None:
                context.store.delete(ANALYSIS_RUNS, context.rollout.namespace, run["metadata"]["name"])


def _tell_change(context: Context, where: str, before: Object, run: Object) -> None:
    phase = _phase(run)
    if not phase or (before and (before["name"] != _name(run) or before["status"] == phase)):
        return
    severity = "Warning" if phase in ("Error", "Failed") else "Normal"
    past = before["status"] if before else "NoPreviousStatus"
    message = f"{_WORDS[where][0]} Analysis Run '{_name(run)}' Status New: '{phase}' Previous: '{past}'"
    context.record(severity, f"AnalysisRun{phase}", message)


def _told(run: Object) -> Object:
    """What the Rollout's status says of a run."""
    message = (run.get("status") or {}).get("message")
    return {"name": _name(run), "status": _phase(run)} | ({"message": message} if message else {})


def _phase(run: Object | None) -> str:
    return str(((run or {}).get("status") or {}).get("phase", ""))


def _name(run: Object | None) -> str:
    return str(run["metadata"]["name"]) if run else ""
