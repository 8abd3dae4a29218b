"""Recordings of Argo Rollouts on a real API server, and what of them a simulator has to agree with.

Names of pods, hashes, uids and times differ from run to run; what is compared is the order of distinct states.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "recordings"
Event = dict[str, Any]

UNSTABLE_MESSAGES = (
    "more replicas need to be updated",
    "updated replicas are still becoming available",
    "waiting for all steps to complete",
    "old replicas are pending termination",
)
"""Which of these is seen for a moment depends on how pods and passes fall together, on a real cluster too."""


def recording(name: str) -> list[Event]:
    """Every line of a recording, the head first."""
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@dataclass
class Names:
    """Letters for hashes in the order in which they first appear, so that two runs can be compared."""

    letters: dict[str, str] = field(default_factory=dict)

    def of(self, pod_hash: str | None) -> str | None:
        if not pod_hash:
            return None
        return self.letters.setdefault(pod_hash, chr(ord("A") + len(self.letters)))

    def within(self, text: str) -> str:
        """A text with the letters for the hashes in it."""
        for pod_hash, letter in self.letters.items():
            text = text.replace(pod_hash, letter)
        return text

    def hash_of(self, letter: str) -> str:
        return next(pod_hash for pod_hash, known in self.letters.items() if known == letter)


@dataclass(frozen=True)
class State:
    """What a controller sees of a Rollout."""

    phase: str | None
    message: str | None
    index: int | None
    abort: bool | None
    pauses: tuple[str, ...] | None
    controller_pause: bool | None
    weights: tuple[Any, ...] | None
    current: str | None
    stable: str | None
    observed: bool
    workload_observed: str | None
    promote_full: bool | None
    analysis: tuple[str, ...] | None
    """The AnalysisRun of the step: its name, status and message."""


def state_of(rollout: dict[str, Any], names: Names) -> State:
    """The state of a Rollout with its hashes as letters and everything transient in its message left out."""
    status = rollout.get("status") or {}
    message = status.get("message")
    pauses = status.get("pauseConditions")
    weights = (status.get("canary") or {}).get("weights")
    current = names.of(status.get("currentPodHash"))
    message = names.within(message) if message else message
    if message in UNSTABLE_MESSAGES:
        message = "progressing"
    run = (status.get("canary") or {}).get("currentStepAnalysisRunStatus")
    return State(
        phase=status.get("phase"),
        message=message,
        index=status.get("currentStepIndex"),
        abort=status.get("abort"),
        pauses=None if pauses is None else tuple(pause["reason"] for pause in pauses),
        controller_pause=status.get("controllerPause"),
        weights=None
        if weights is None
        else tuple((weights[arm]["weight"], names.of(weights[arm]["podTemplateHash"])) for arm in ("canary", "stable")),
        current=current,
        stable=names.of(status.get("stableRS")),
        observed=status.get("observedGeneration") == str(rollout["metadata"]["generation"]),
        workload_observed=status.get("workloadObservedGeneration"),
        promote_full=status.get("promoteFull"),
        analysis=None if run is None else (names.within(run["name"]), run["status"], run.get("message", "")),
    )


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def timeless(value: Any, names: Names) -> Any:
    """A value with its hashes as letters and every time alike."""
    return json.loads(TIME.sub("TIME", names.within(json.dumps(value, sort_keys=True))))


def run_of(name: str, obj: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """What is compared of an AnalysisRun; its spec and labels only where they are `whole`."""
    shown = {"name": name, "generation": obj["generation"], "status": obj.get("status")}
    return shown | ({key: obj[key] for key in ("labels", "annotations", "spec")} if whole else {})


def told(about: str, event: dict[str, Any]) -> tuple[str, ...]:
    """What is compared of an Event."""
    return about, event["type"], event["reason"], event["message"]


def answers_of(events: list[Event]) -> list[tuple[int, str] | None]:
    """What the endpoint of an analysis answered to each measurement, in order; None where it was away."""
    answers: list[tuple[int, str] | None] = []
    for event in events[1:]:
        if event["event"] == "endpoint":
            answers.append((event["code"], event["body"]))
        elif event["event"] == "watch" and event["kind"] == "AnalysisRun":
            for result in (event["object"].get("status") or {}).get("metricResults", []):
                last = result["measurements"][-1]
                if "connection refused" in last.get("message", "") and result["phase"] == "Running":
                    answers.append(None)
    return answers
