"""Which metric is measured at which weights, and when: from the order of a Rollout's steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from serinus_contracts.weight import weight_text

from serinus.import_.manifests import Manifests
from serinus.import_.metrics import Rule, rules
from serinus.import_.parts import Analysis, Canary
from serinus.import_.report import ImportReport
from serinus.import_.steps import CANARY, STEPS, Stage
from serinus.import_.wording import duration


@dataclass(frozen=True)
class Use:
    """A metric with the weights at which it is measured; start_after: as in the policy's conditions."""

    rule: Rule
    weights: tuple[float, ...]
    start_after: float | None = None


def uses(manifests: Manifests, canary: Canary, stages: Sequence[Stage], report: ImportReport) -> Iterator[Use]:
    """Every metric of every analysis. Of a stage's analyses one begins when the one before it has ended."""
    ended: dict[int, float] = {}
    for stage in stages:
        spent = 0.0
        for index, analysis in stage.analyses:
            found = rules(manifests, analysis, (*STEPS, index, "analysis"), "stage", report)
            after = stage.paused_before(index) + spent
            own = spent > 0 or after < stage.pause
            for rule in found:
                yield Use(rule, (stage.weight,), after if own else None)
            if found and own:
                _tell_order(manifests, stage, index, after, spent, report)
            spent += max((rule.lasts for rule in found), default=0.0)
            ended[index] = spent
    if canary.analysis is not None:
        yield from _background(manifests, canary.analysis, canary, stages, ended, report)


def _tell_order(
    manifests: Manifests, stage: Stage, index: int, after: float, spent: float, report: ImportReport
) -> None:
    file, weight = manifests.rollout.file, weight_text(stage.weight)
    if spent:
        report.note(
            f"{file}: steps[{index}].analysis begins {duration(after)} after {weight} was set; with Argo later if "
            "errors or failures prolong the analysis before it"
        )
    if stage.paused_before(index) < stage.pause:
        report.note(
            f"{file}: the pause after steps[{index}].analysis begins with Argo when that has ended; here all pauses of "
            f"{weight}, {duration(stage.pause)}, count from when it was set"
        )


def _background(
    manifests: Manifests, analysis: Analysis, canary: Canary, stages: Sequence[Stage], ended: dict[int, float],
    report: ImportReport,
) -> Iterator[Use]:  # fmt: skip
    """What is measured from the starting step on."""
    rollout, first, place = manifests.rollout, analysis.startingStep, (*CANARY, "analysis")
    if not 0 <= first < len(canary.steps):
        text = f"startingStep {first}: there are {len(canary.steps)} steps, the first is 0: it would never be measured"
        report.lose(rollout.problem((*place, "startingStep"), text))
        return
    ends = [*(stage.first for stage in stages[1:]), inf]
    here = [stage for stage, end in zip(stages, ends, strict=True) if end > first]
    spent = max((ended[index] for index, _ in here[0].analyses if index < first), default=0.0)
    after = here[0].paused_before(first) + spent
    if first < stages[0].first:
        report.note(
            f"{rollout.file}: Argo begins the background analysis at steps[{first}], before the first weight; here it "
            "begins with that"
        )
    for rule in rules(manifests, analysis, place, "run", report):
        yield Use(rule, tuple(stage.weight for stage in here), after or None)
