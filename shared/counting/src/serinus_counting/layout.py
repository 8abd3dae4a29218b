"""What the labels of an answer's series say for one metric: arms, processes, and what each series counts for.

Labels stay the same from snapshot to snapshot while samples come, so what they say is worked out once and kept.
"""

from array import array
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from serinus_contracts import AnalysisPlan, Bucketed, Counted, PlanMetric
from serinus_contracts.base import Arm
from serinus_contracts.plan import any_of

from serinus_counting.kept import Kept
from serinus_counting.misread import status_in_words
from serinus_counting.series import Series, Target, with_one_spelling, with_pods
from serinus_counting.tallies import ARMS, shared_edges

# Of all layouts that are kept, in each process that counts.
MAX_BYTES = 32 * 2**20
EVENT, TRIAL = 1, 2
NO_EDGE = 255


@dataclass(frozen=True, slots=True)
class Group:
    """The series of one process in one arm, by their positions in the answer.

    `roles`: for each what it counts for: EVENT and TRIAL added up, or the number of its edge, NO_EDGE for none.
    """

    arm: Arm
    positions: Sequence[int]
    roles: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """The groups of a metric, the canary's first; the `edges` of a histogram; `characters` of the names of all series'
    pods."""

    groups: Sequence[Group]
    edges: Sequence[float]
    series: int
    characters: int


def _bytes_of(layout: Layout | None) -> int:
    if layout is None:
        return 0
    return 200 * len(layout.groups) + 8 * layout.series + 40 * len(layout.edges)


_kept: Kept[Layout | None] = Kept(MAX_BYTES, _bytes_of)


def layout_of(
    plan: AnalysisPlan, metric: PlanMetric, series: Sequence[Series], labels: Hashable | None
) -> Layout | None:
    """What the labels say, None where they are odd: what they say then depends on values or times too.

    `labels` names the labels of all series in their order, None where nothing does.
    """
    if not isinstance(metric.source, Counted | Bucketed):
        return None
    made = partial(_laid_out, plan, metric, series)
    return made() if labels is None else _kept.of((plan.digest, metric.name, labels), made)


def by_arms(plan: AnalysisPlan, metric: PlanMetric, series: Sequence[Series]) -> Mapping[Arm, Sequence[Series]]:
    """The series of each arm; those of neither are left out."""
    by_arm: dict[Arm, list[Series]] = {"canary": [], "stable": []}
    for one in series:
        arm = plan.arm(one.labels, metric)
        if arm:
            by_arm[arm].append(one)
    bucketed = isinstance(metric.source, Bucketed)
    return {arm: with_one_spelling(members) if bucketed else members for arm, members in by_arm.items()}


def _laid_out(plan: AnalysisPlan, metric: PlanMetric, series: Sequence[Series]) -> Layout | None:
    source, named = metric.source, with_pods(series, plan.pod_label(metric))
    position = {id(one): number for number, one in enumerate(named)}
    by_arm = by_arms(plan, metric, named)
    ours = [*by_arm["canary"], *by_arm["stable"]]
    # Two spellings of one edge were made one series, which is none of the answer.
    if not all(by_arm.values()) or not all(id(one) in position for one in ours) or _may_be_twice(ours):
        return None
    edges: Sequence[float] = ()
    if isinstance(source, Counted):
        if source.blind or status_in_words(source, by_arm):
            return None
        role = _roles(source, ours)
    else:
        found = shared_edges(by_arm.values())
        if isinstance(found, str):
            return None
        edges, number = found, {edge: at for at, edge in enumerate(found)}
        role = {id(one): number.get(float(one.labels["le"]), NO_EDGE) for one in ours}
    if role is None:
        return None
    groups: list[Group] = []
    for arm in ARMS:
        members: dict[Target, list[Series]] = defaultdict(list)
        for one in by_arm[arm]:
            members[one.target].append(one)
        groups += [
            Group(arm, array("I", [position[id(one)] for one in found]), bytes([role[id(one)] for one in found]))
            for found in members.values()
        ]
    return Layout(groups, edges, len(ours), sum(len(one.labels.get("pod", "")) for one in ours))


def _roles(source: Counted, series: Sequence[Series]) -> dict[int, int] | None:
    """What each series counts for, by id; None where one cannot be told good from bad."""
    roles = {}
    for one in series:
        is_trial = any_of(source.trials, one.labels)
        if is_trial and source.one_of_labels and one.labels.keys().isdisjoint(source.one_of_labels):
            return None
        roles[id(one)] = EVENT * any_of(source.events, one.labels) + TRIAL * is_trial
    return roles


def _may_be_twice(series: Sequence[Series]) -> bool:
    """Whether requests may stand in two series: of several scopes, or of two targets that are one pod."""
    scopes: dict[object, set[str]] = defaultdict(set)
    pods: dict[str, set[Target]] = defaultdict(set)
    for one in series:
        if scope := one.labels.get("otel_scope_name"):
            scopes[one.target, one.labels.get("__name__", "")].add(scope)
        if one.labels.get("instance"):
            pods[one.labels.get("pod", "")].add(one.target)
    return any(len(found) > 1 for found in scopes.values()) or any(
        len(targets) > 1 for pod, targets in pods.items() if pod
    )
