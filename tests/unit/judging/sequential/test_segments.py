"""A metric with a segment: a small route cannot hide, another mix aborts nobody, and places are given by trials."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts.events import MetricsCollected, Proportion, Segment
from serinus_contracts.plan import AnalysisPlan
from serinus_judging.packing import EvidenceError
from serinus_judging.sequential import segments
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.segments import NAMED, Segments
from serinus_judging.snapshot import Reading

from tests.unit.judging.builders import metric, only, plan, proportion, snapshot
from tests.unit.judging.laws import lawful
from tests.unit.judging.runs import JUDGE, evaluated, judged, known_noise

Arms = dict[str, tuple[int, int, int, int]]


def segmented(ratio: float = 1.25, absolute: float = 0.001, weights: tuple[int, ...] = (10,)) -> AnalysisPlan:
    errors = metric(ratio=ratio, absolute=absolute).model_copy(update={"segment": "route"})
    return plan(errors, weights=weights)


def of_routes(routes: Arms, others: tuple[int, int, int, int] | None = None) -> Proportion:
    rows = [*routes.values(), *([others] if others else [])]
    x, n, y, m = map(sum, zip(*rows, strict=True))
    named = {name: Segment(canary=(a, b), stable=(c, d)) for name, (a, b, c, d) in routes.items()}
    rest = Segment(canary=others[:2], stable=others[2:]) if others else None
    return proportion(x, n, y, m).model_copy(update={"segment": "route", "segments": named, "other_segments": rest})


def looks(routes: Arms, count: int, first: int = 1) -> list[MetricsCollected]:
    return [snapshot({"errors": of_routes(routes)}, number, weight=10) for number in range(first, first + count)]


SMALL_BROKEN: Arms = {"/": (6, 3_000, 54, 27_000), "/checkout": (12, 90, 3, 810)}
"""One route with 3 % of the traffic fails thirty times as often on the canary; all routes together: 0.6 % to 0.2 %."""


def test_the_sentence_names_the_segment_that_regressed() -> None:
    _, assessment = judged(segmented(ratio=4.0, absolute=0.01), looks(SMALL_BROKEN, 20))
    assert assessment.verdict == "abort"
    assert assessment.sentence.startswith("abort: errors of route /checkout: 13 % against 0.37 % on stable (")


def test_without_segments_the_same_counts_pass() -> None:
    ordinary = plan(metric(ratio=4.0, absolute=0.01), weights=(10,))
    _, assessment = judged(ordinary, looks(SMALL_BROKEN, 20))
    assert assessment.verdict == "proceed"


def test_a_verdict_names_the_worst_segments_and_a_plan_without_has_none() -> None:
    _, assessment = judged(segmented(), looks(SMALL_BROKEN, 10))
    told = only(assessment.metrics)
    assert told.segment == "route"
    assert [(each.name, each.worse) for each in told.segments] == [("/checkout", True), ("/", False)]
    first = told.segments[0]
    assert (first.canary.events, first.canary.trials, first.stage[0].events) == (24, 180, 24)
    assert len(told.run) == 1
    _, ordinary = judged(plan(metric()), looks(SMALL_BROKEN, 3))
    assert "segment" not in only(ordinary.metrics).model_dump(mode="json", exclude_none=True)


def test_another_mix_of_clients_aborts_nobody_and_is_told() -> None:
    mixed: Arms = {"web": (10, 1_000, 90, 9_000), "batch": (100, 1_000, 225, 2_250)}
    _, assessment = judged(segmented(1.0, 0.0), looks(mixed, 40))
    assert assessment.verdict != "abort"
    (told,) = [each for each in assessment.findings if each.kind == "traffic"]
    assert told.text == (
        "route batch has 50 % of the canary's requests and 20 % of stable's: the arms get another mix, and are "
        "compared segment by segment: 5.5 % against 5.5 % on stable at the canary's mix"
    )
    assert "errors 5.5 % against 5.5 % on stable at the canary's mix (" in assessment.sentence
    assert " at its own" in assessment.sentence
    assert not told.decides
    _, pooled = judged(plan(metric(), weights=(10,)), looks(mixed, 40))
    assert pooled.verdict == "abort"


def test_the_same_mix_is_not_told() -> None:
    _, assessment = judged(segmented(), looks({"a": (2, 1_000, 18, 9_000), "b": (1, 100, 9, 900)}, 40))
    assert not assessment.findings
    assert assessment.verdict == "proceed"


def test_a_segment_that_appears_in_mid_run_gets_a_place_and_is_judged_from_its_second_snapshot_on() -> None:
    evidence, _ = judged(segmented(), looks({"/": (6, 3_000, 54, 27_000)}, 5))
    assert evidence.segments[0].names == ("/",)
    evidence, first = judged(segmented(), looks(SMALL_BROKEN, 1, first=6), evidence)
    assert evidence.segments[0].names == ("/", "/checkout")
    assert first.verdict != "abort"
    _, later = judged(segmented(), looks(SMALL_BROKEN, 20, first=7), evidence)
    assert "errors of route /checkout:" in later.sentence
    assert later.verdict == "abort"


def test_in_the_snapshot_in_which_a_segment_appears_it_is_judged_with_all_others() -> None:
    """That snapshot sets the segment's own baseline, and a gate may open on it."""
    evidence, _ = judged(segmented(), looks({"/": (6, 3_000, 54, 27_000)}, 5))
    new: Arms = {"/": (6, 3_000, 54, 27_000), "/new": (900, 900, 0, 8_100)}
    _, assessment = judged(segmented(), looks(new, 1, first=6), evidence)
    assert assessment.verdict == "abort"
    _, healthy = judged(segmented(), looks(new | {"/new": (2, 900, 18, 8_100)}, 1, first=6), evidence)
    assert healthy.verdict != "abort"


def test_the_evidence_of_a_segment_that_vanishes_stays() -> None:
    evidence, before = judged(segmented(), looks(SMALL_BROKEN, 3))
    _, after = judged(segmented(), looks({"/": (6, 3_000, 54, 27_000)}, 3, first=4), evidence)
    (one, *_), (other, *_) = (only(assessment.metrics).segments for assessment in (before, after))
    assert (one.name, one.log_eprocess) == ("/checkout", other.log_eprocess)


def test_places_are_given_by_trials_alone_and_what_has_none_is_judged_together() -> None:
    many: Arms = {f"/{i:02}": (0, 100 + i, 0, 900 + i) for i in range(NAMED + 5)}
    events: Arms = {name: (n // 2, n, m // 3, m) for name, (_, n, _, m) in many.items()}
    names = segments.placed((), many)
    assert names == segments.placed((), events) == tuple(f"/{i:02}" for i in range(NAMED + 4, 4, -1))
    quads = segments.by_place(names, many, (1, 7, 2, 9), rate=False)
    assert quads[-1] == (1, 7 + sum(100 + i for i in range(5)), 2, 9 + sum(900 + i for i in range(5)))
    assert segments.placed((), {"x" * 10**5: (0, 9, 0, 9)}) == ()
    assert segments.placed(names, {"/new": (0, 10**6, 0, 10**6)}) == names


@lawful
@given(
    st.dictionaries(st.text(max_size=2), st.tuples(*[st.integers(0, 9)] * 4), max_size=25),
    st.lists(st.text(max_size=2), max_size=4, unique=True),
    st.booleans(),
)
def test_the_places_have_all_that_both_arms_have_and_what_is_left_has_its_trials(
    found: Arms, known: list[str], rate: bool
) -> None:
    if not rate:
        found = {name: (min(x, n), n, min(y, m), m) for name, (x, n, y, m) in found.items()}
    names = segments.placed(tuple(known), found)
    assert len(names) <= NAMED
    assert names[: len(known)] == tuple(known)
    quads = np.array(segments.by_place(names, found, (1, 2, 3, 4), rate)).sum(axis=0)
    every = np.array([(1, 2, 3, 4), *found.values()])
    both = every[(every[:, 1] > 0) & (every[:, 3] > 0)]
    x, n, y, m = every.sum(axis=0) - quads
    assert min(x, n, y, m) >= 0
    if rate:
        assert not (x and not n)
    else:
        assert quads.tolist() == both.sum(axis=0).tolist()
        assert x <= n
        assert y <= m


def test_the_order_of_segments_in_a_snapshot_changes_nothing() -> None:
    backwards = dict(reversed(SMALL_BROKEN.items()))
    packed = [judged(segmented(), looks(routes, 12))[0].pack() for routes in (SMALL_BROKEN, backwards)]
    assert packed[0] == packed[1]


def test_runs_judged_together_are_judged_as_alone() -> None:
    own = segmented()
    cases = [(own, JUDGE.start(own)) for _ in range(3)]
    alone = list(cases)
    one_route: Arms = {"a": (2, 1_000, 18, 9_000)}
    worlds: list[Arms] = [SMALL_BROKEN, one_route, {"a": (90, 1_000, 900, 9_000), "b": (0, 5, 1, 90)}]
    for number in range(1, 6):
        snapshots = [snapshot({"errors": of_routes(world)}, number, weight=10) for world in worlds]
        together = JUDGE.judge([(own, evidence, one) for (_, evidence), one in zip(cases, snapshots, strict=True)])
        cases = [(own, evidence) for evidence, _ in together]
        alone = [(own, evaluated(own, evidence, one)[0]) for (_, evidence), one in zip(alone, snapshots, strict=True)]
    for (_, one), (_, other) in zip(cases, alone, strict=True):
        assert one.log_eprocess == pytest.approx(other.log_eprocess, abs=1e-9)
        assert one.segments == other.segments


@given(st.lists(st.text(max_size=20), max_size=NAMED, unique=True))
def test_evidence_keeps_the_names_of_segments(names: list[str]) -> None:
    evidence = JUDGE.start(segmented())
    evidence = evidence.__class__(**{**vars(evidence), "segments": (Segments(tuple(names)),)})
    assert Evidence.unpack(evidence.pack()).segments == evidence.segments


def test_evidence_of_a_plan_with_segments_is_bounded_and_fits_no_plan_without() -> None:
    many: Arms = {"x" * 120 + f"{i:03}": (1, 100 + i, 9, 900 + i) for i in range(60)}
    evidence, _ = judged(segmented(weights=(1, 5, 10, 25, 50)), looks(many, 3))
    assert len(evidence.pack()) < 12_000
    with pytest.raises(EvidenceError):
        evaluated(plan(metric()), evidence, looks(many, 1)[0])


def test_a_label_that_only_one_arm_has_is_an_error_and_not_a_pass() -> None:
    unlike = proportion(3, 1_000, 27, 9_000).model_copy(
        update={"segment": "route", "segments": {"": Segment(canary=(3, 1_000)), "/": Segment(stable=(27, 9_000))}}
    )
    _, assessment = judged(segmented(), [snapshot({"errors": unlike}, number, weight=10) for number in range(1, 20)])
    assert assessment.verdict == "hold"
    assert "only 0 % of the canary's requests have a value of route that stable's have too" in assessment.sentence


@pytest.mark.parametrize(("canary", "verdict"), [(7, "hold"), (30, "abort")])
def test_events_without_the_label_of_their_trials_open_no_gate_and_abort_as_without_segments(
    canary: int, verdict: str
) -> None:
    lost = {"": Segment(canary=(canary, 0), stable=(27, 0)), "/": Segment(canary=(0, 1_000), stable=(0, 9_000))}
    astray = proportion(canary, 1_000, 27, 9_000).model_copy(update={"segment": "route", "segments": lost})
    snapshots = [snapshot({"errors": astray}, number, weight=10) for number in range(1, 40)]
    _, first = judged(segmented(5, 0.001), snapshots[:1])
    assert first.sentence == (
        f"hold: errors cannot be compared by route, so no gate opens: {canary} events of canary have a value of route "
        "that no trials have: do both metrics carry it?"
    )
    _, assessment = judged(segmented(5 if verdict == "hold" else 1.25), snapshots)
    assert assessment.verdict == verdict


def test_counts_without_segments_are_judged_as_a_whole() -> None:
    bad = [snapshot({"errors": proportion(40, 1_000, 18, 9_000)}, number, weight=10) for number in range(1, 20)]
    _, assessment = judged(segmented(), bad)
    assert assessment.verdict == "abort"
    assert "no counts by route in this snapshot: judged as a whole" in only(assessment.metrics).detail


def test_pods_that_are_left_out_are_left_out_of_their_segments() -> None:
    young = Segment(canary=(50, 100), stable=(1, 900), canary_young=(50, 60))
    measured = proportion(50, 100, 1, 900).model_copy(update={"segment": "route", "segments": {"/": young}})
    reading = Reading("ok", quad=(0, 40, 1, 900), measured=measured, cold=(60, 0))
    assert segments.by_segment("route", reading) == ({"/": (0, 40, 1, 900)}, (0, 0, 0, 0))


@pytest.mark.parametrize("seed", range(4))
def test_a_route_whose_errors_come_in_clusters_is_no_regression(seed: int) -> None:
    """Among all others they are lost: 20 at once in a twentieth of the requests."""
    random = np.random.default_rng(seed)
    snapshots = []
    for number in range(1, 80):
        x, y, u, v = random.poisson((30, 270, 0.08, 0.72))
        routes: Arms = {"/": (x, 3_000, y, 27_000), "/batch": (20 * u, 160, 20 * v, 1_440)}
        snapshots.append(snapshot({"errors": of_routes(routes)}, number, weight=10))
    evidence = JUDGE.start(segmented())
    whole = np.arange(evidence.noise.measured.size) == 0  # a day knows nothing of segments
    evidence = replace(evidence, noise=replace(known_noise(segmented(), phi=3).noise, measured=whole))
    evidence, assessment = judged(segmented(), snapshots, evidence)
    assert assessment.verdict != "abort"
    batch = 1 + evidence.segments[0].names.index("/batch")
    assert evidence.state.adjacent[2, batch] > 5 * evidence.state.adjacent[3, batch]


@pytest.mark.parametrize("unmatched", [(40, 40, 0, 0), (6, 6, 0, 0), (200, 200, 0, 0), (40, 40, 0, 1)])
@pytest.mark.parametrize("known", [0, 3])
def test_requests_that_only_the_canary_has_are_judged(unmatched: tuple[int, int, int, int], known: int) -> None:
    """A route that stable does not have, or had when it got its place, all of whose requests fail."""
    paired: Arms = {"/": (0, 60, 2, 900), "/new": (0, 10, 0, 90)}
    broken: Arms = {"/": (0, 60, 2, 990), "/new": unmatched}
    snapshots = [*looks(paired, known), *looks(broken, 20, first=1 + known)]
    _, assessment = judged(segmented(), snapshots)
    assert assessment.verdict == "abort"


def test_few_events_without_trials_are_no_pass_where_the_canary_has_few() -> None:
    """At a weight of 1 % they are all that the canary has."""
    of = {"": Segment(canary=(4, 0)), "/": Segment(canary=(0, 100), stable=(20, 9_900))}
    astray = proportion(4, 100, 20, 9_900).model_copy(update={"segment": "route", "segments": of})
    _, assessment = judged(segmented(), [snapshot({"errors": astray}, number, weight=1) for number in range(1, 30)])
    assert assessment.verdict == "abort"


def test_counts_by_segment_that_are_not_those_of_the_whole_are_an_error() -> None:
    for wrong in (Segment(canary=(-3, 1_000), stable=(27, 9_000)), Segment(canary=(3, 900), stable=(27, 9_000))):
        unlike = proportion(3, 1_000, 27, 9_000).model_copy(update={"segment": "route", "segments": {"/": wrong}})
        _, assessment = judged(segmented(), [snapshot({"errors": unlike}, number, weight=10) for number in (1, 2, 3)])
        assert "counts by route are not those of the whole" in assessment.sentence


def test_requests_that_only_the_canary_has_are_compared_with_all_of_stable_and_not_with_one_route() -> None:
    """They fail as often as the route that has most of stable's requests, four times as often as all of them."""
    rest: Arms = {f"/{i}": (0, 0, 2, 1_750) for i in range(4)}
    routes: Arms = rest | {"/search": (26, 520, 100, 2_000), "/new": (24, 480, 0, 0)}
    _, assessment = judged(segmented(), looks(routes, 60))
    assert assessment.verdict == "abort"


def test_what_only_one_arm_has_does_not_stand_for_what_only_the_other_has() -> None:
    """Beyond the fifteen both would be others: stable's ten requests, beside which the canary's forty stake none."""
    many: Arms = {f"/{i:02}": (0, 10, 2, 100) for i in range(NAMED)}
    routes: Arms = many | {"/broken": (40, 40, 0, 0), "/old": (0, 0, 1, 10)}
    _, assessment = judged(segmented(), looks(routes, 3))
    assert assessment.verdict == "abort"


def test_counts_by_another_label_are_judged_as_a_whole_and_told() -> None:
    """As of a recording that is judged with another policy."""
    by_client = segmented(4.0, 0.01)
    metrics = tuple(each.model_copy(update={"segment": "client"}) for each in by_client.metrics)
    by_client = by_client.model_copy(update={"metrics": metrics})
    evidence, assessment = judged(by_client, looks(SMALL_BROKEN, 20))
    assert assessment.verdict == "proceed"
    told = only(assessment.metrics)
    assert told.detail == "counts by route, not by client: judged as a whole"
    assert not told.segments
    assert evidence.segments[0].names == ()


def test_a_few_errors_without_their_route_are_not_those_of_the_largest_route() -> None:
    """At a weight of 1 % they are all that the canary has, and as many as stable's."""
    of: Arms = {f"/{i}": (0, 1_000, 100, 99_000) for i in range(5)} | {"": (5, 0, 0, 0)}
    _, assessment = judged(segmented(1.0, 0.0005), looks(of, 60))
    assert assessment.verdict != "abort"
    assert {each.canary.events for each in only(assessment.metrics).segments} == {0}


def test_a_route_of_which_stable_has_next_to_nothing_is_compared_with_all_of_stable_for_an_abort() -> None:
    """It fails at 60 %, and one of three of stable's few: by itself it could stake next to nothing."""
    snapshots = []
    for number in range(1, 41):
        routes: Arms = {"/": (0, 900, 90, 8_999), "/b": (60, 100, int(number % 3 == 0), 1)}
        snapshots.append(snapshot({"errors": of_routes(routes)}, number, weight=10))
    _, assessment = judged(segmented(), snapshots)
    assert assessment.verdict == "abort"
