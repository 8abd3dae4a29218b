"""JSON patches for a Rollout's status that do their work only on exactly what was decided about.

A failed test is answered 422, like any other misfit, so the caller reads the object back to learn why. A Lease does
not fence: these tests do.
"""

from collections.abc import Mapping
from typing import Any

from serinus_rollouts.rollout import RolloutView

Patch = list[dict[str, Any]]


def _tests(view: RolloutView) -> Patch:
    return [
        {"op": "test", "path": "/metadata/uid", "value": view.uid},
        {"op": "test", "path": "/metadata/generation", "value": view.generation},
        {"op": "test", "path": "/status/currentPodHash", "value": view.current_hash},
    ]


def promote(view: RolloutView) -> Patch:
    """Ends the pause that the view is at, and no other: a second promotion would skip a step."""
    pause = view.pauses[0]
    return [
        *_tests(view),
        {"op": "test", "path": "/status/currentStepHash", "value": view.step_hash},
        {"op": "test", "path": "/status/currentStepIndex", "value": view.step},
        {"op": "test", "path": "/status/pauseConditions/0/reason", "value": pause.reason},
        {"op": "test", "path": "/status/pauseConditions/0/startTime", "value": pause.started},
        {"op": "remove", "path": "/status/pauseConditions"},
    ]


def abort(view: RolloutView) -> Patch:
    """Aborts this template's release; with another template in between it fails."""
    return [*_tests(view), {"op": "add", "path": "/status/abort", "value": True}]


def retry(view: RolloutView) -> Patch:
    """Takes an abort of this template back: Argo begins again at the first step."""
    return [
        *_tests(view),
        {"op": "test", "path": "/status/abort", "value": True},
        {"op": "replace", "path": "/status/abort", "value": False},
    ]


def holds(patch: Patch, document: Mapping[str, Any]) -> bool:
    """Whether the tests of a patch hold of an object: as on a Kubernetes API server, what is absent equals null."""
    return all(_at(document, one["path"]) == one["value"] for one in patch if one["op"] == "test")


def _at(document: Any, path: str) -> Any:
    """The value that a JSON pointer leads to, None for none."""
    for part in path.split("/")[1:]:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def nudge(text: str) -> dict[str, Any]:
    """A merge patch that makes Argo look at the object again; an unchanged text would cause no event."""
    return {"status": {"message": text}}
