"""A Rollout's steps as stages, and the same steps with gates in place of timed pauses and analyses."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from serinus_contracts.weight import percent_of
from serinus_runtime.documents import DocumentError, Location, Problem

from serinus.import_.manifests import Manifest
from serinus.import_.parts import Analysis, Canary, Step

CANARY = ("spec", "strategy", "canary")
STEPS: Location = (*CANARY, "steps")
_ALONE = ("setWeight", "pause", "experiment", "analysis")
_ACTIONS = (*_ALONE, "setCanaryScale", "setHeaderRoute", "setMirrorRoute", "plugin")


@dataclass
class Stage:
    """From one setWeight to the next: seconds of timed pauses and analyses, by the index of their step, and gates."""

    weight: float
    first: int
    pauses: dict[int, float] = field(default_factory=dict)
    analyses: list[tuple[int, Analysis]] = field(default_factory=list)
    gates: int = 0
    after_gate: bool = False

    @property
    def pause(self) -> float:
        """Seconds of all timed pauses."""
        return sum(self.pauses.values())

    def paused_before(self, index: int) -> float:
        """Seconds of the timed pauses before a step."""
        return sum(seconds for at, seconds in self.pauses.items() if at < index)

    @property
    def judged(self) -> bool:
        """Whether Argo goes on by itself at the end of something here."""
        return bool(self.pause or self.analyses)


def read_canary(rollout: Manifest) -> tuple[Canary, list[Step]]:
    """The strategy and its steps. Raises DocumentError naming the place."""
    if not rollout.part("spec", "strategy", "canary"):
        raise DocumentError([rollout.problem(CANARY[:-1], "no canary strategy: only canaries can be imported")])
    canary = rollout.checked(Canary, rollout.part(*CANARY), CANARY)
    problems = list(_routing(rollout, canary))
    steps: list[Step] = []
    for index, step in enumerate(canary.steps):
        # A `pause` without anything in it is null in YAML, and a pause without end for Argo.
        if isinstance(step, dict) and "pause" in step and step["pause"] is None:
            step = step | {"pause": {}}
        try:
            found = rollout.checked(Step, step, (*STEPS, index))
        except DocumentError as error:
            problems += error.problems
            continue
        steps.append(found)
        problems += _misfits(rollout, canary, index, step, found)
    if problems:
        raise DocumentError(problems)
    return canary, steps


def _routing(rollout: Manifest, canary: Canary) -> Iterator[Problem]:
    routing = canary.trafficRouting
    if routing and routing.maxTrafficWeight and not {"nginx", "plugins"} & set(routing.model_extra or {}):
        place: Location = (*CANARY, "trafficRouting", "maxTrafficWeight")
        yield rollout.problem(place, "Argo refuses maxTrafficWeight but for nginx and plugins")


def _misfits(rollout: Manifest, canary: Canary, index: int, step: dict[str, Any], found: Step) -> Iterator[Problem]:
    """What Argo refuses as InvalidSpec."""
    place: Location = (*STEPS, index)
    actions = [name for name in _ALONE if step.get(name) is not None]
    if len(actions) > 1:
        text = (
            f"a step has one action, this one {len(actions)}, {' and '.join(actions)}, which Argo refuses: write each"
        )
        yield rollout.problem(place, f"{'.'.join(map(str, place))}: {text} as a step of its own")
    if not any(step.get(name) is not None for name in _ACTIONS):
        text = f"a step without an action, which Argo refuses; there are {', '.join(_ACTIONS)}"
        yield rollout.problem(place, f"{'.'.join(map(str, place))}: {text}")
    if (found.setWeight or 0) > canary.max_weight:
        place = (*place, "setWeight")
        text = f"{'.'.join(map(str, place))}: {found.setWeight} is more than all traffic, {canary.max_weight}"
        yield rollout.problem(place, text)


def stages_of(steps: Sequence[Step], max_weight: int) -> list[Stage]:
    """The stages in order, setWeight being parts of `max_weight`; what comes before the first belongs to none."""
    found: list[Stage] = []
    for index, step in enumerate(steps):
        if step.setWeight is not None:
            found.append(Stage(percent_of(step.setWeight, max_weight), index))
        elif found and step.pause is not None and step.pause.duration is None:
            found[-1].gates += 1
        elif found and step.pause is not None:
            found[-1].pauses[index] = step.pause.duration or 0.0
            found[-1].after_gate |= found[-1].gates > 0
        elif found and step.analysis is not None:
            found[-1].analyses.append((index, step.analysis))
            found[-1].after_gate |= found[-1].gates > 0
    return found


def gated(steps: Sequence[Any], read: Sequence[Step], stages: Sequence[Stage]) -> list[Any]:
    """The steps with one gate for the verdict where a stage had timed pauses or analyses; people's gates stay."""
    starts = {stage.first: stage for stage in stages}
    made: list[Any] = []
    inside = False
    for index, (step, one) in enumerate(zip(steps, read, strict=True)):
        timed = one.pause is not None and one.pause.duration is not None
        inside = inside or index in starts
        if not inside or not (timed or one.analysis is not None):
            made.append(step)
        if index in starts and starts[index].judged:
            made.append({"pause": {}})
    return made


def diff(rollout: Manifest, wanted: Sequence[Any]) -> str:
    """A unified diff of the manifest's steps, as YAML; empty if nothing is to be changed."""
    steps = rollout.part(*CANARY)["steps"]
    before, after = (yaml.safe_dump(each, sort_keys=False).splitlines() for each in (steps, list(wanted)))
    lines = difflib.unified_diff(before, after, f"{rollout.file} steps", f"{rollout.file} steps, gated", "", "", 99, "")
    return "\n".join(lines)
