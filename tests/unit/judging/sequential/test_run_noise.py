"""Noise that the run itself shows: always of the snapshots before, and as much as there is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts.events import Proportion
from serinus_judging.sequential import baseline, run_noise
from serinus_judging.sequential.counts import count, fold
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.layout import key_of, layout, slots_used
from serinus_judging.sequential.overdispersion import Noise
from serinus_judging.sequential.state import SnapshotCounts, State, noise_of, updated

from tests.unit.judging.builders import latency, metric, plan, proportion, snapshot
from tests.unit.judging.laws import lawful
from tests.unit.judging.runs import JUDGE, evaluated, slow

RULE = plan(metric())
CHANNELS = layout(key_of(RULE), ()).channels
PODS, TRIALS = run_noise.UNITS, 5000.0


def look(
    y: np.ndarray, measured: bool = False, named: bool = True, phi: float = 3.0, kappa: float = 0.5
) -> SnapshotCounts:
    """Stable's pods with so many events of TRIALS each, a canary with a tenth of the traffic."""
    pods = np.stack((y, np.full(len(y), TRIALS)))[..., None]
    n, m = len(y) * TRIALS / 9, len(y) * TRIALS
    counts = np.array([[float(round(y.sum() / 9))], [n], [y.sum()], [m]])
    one = np.ones(1)
    return SnapshotCounts(
        counts, one > 0, 30 * one, np.array(0), np.array(False), phi * one, kappa * one, 0 * one,
        np.full(1, measured), pods if named else None,
    )  # fmt: skip


def after(looks: list[SnapshotCounts]) -> tuple[float, float]:
    """phi and kappa for the snapshot that follows these."""
    state = State.empty(CHANNELS)
    for one in looks:
        state = updated(CHANNELS, state, one)
    phi, kappa = noise(state, looks[-1])
    return float(phi[0]), float(kappa[0])


def noise(state: State, now: SnapshotCounts) -> tuple[np.ndarray, np.ndarray]:
    b = baseline.predicted(state.past)
    return noise_of(CHANNELS, state, now, b, CHANNELS.ratio * b + CHANNELS.absolute)


def quiet(looks: int, rate: float = 0.002, pods: int = PODS, seed: int = 1, **other: bool) -> list[SnapshotCounts]:
    random = np.random.default_rng(seed)
    return [look(random.poisson(TRIALS * rate, pods).astype(float), **other) for _ in range(looks)]


def few(pods: int, looks: int) -> list[SnapshotCounts]:
    """Quiet, of so many pods."""
    random = np.random.default_rng(4)
    there = (np.arange(PODS) < pods).astype(float)
    drawn = []
    for _ in range(looks):
        one = look(random.poisson(TRIALS * 0.002, PODS) * there)
        assert one.pods is not None
        one.pods[1] *= there[:, None]
        drawn.append(one)
    return drawn


def clustered(looks: int, size: float, rate: float = 0.01, seed: int = 2, **other: bool) -> list[SnapshotCounts]:
    """Events in clusters of so many on average: geometric, so that phi is 2 size - 1."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(looks):
        first = random.poisson(TRIALS * rate / size, PODS)
        follow = random.negative_binomial(np.maximum(first, 1), 1 / size) * (first > 0)
        drawn.append(look((first + follow).astype(float), **other))
    return drawn


def test_before_the_first_snapshot_more_than_what_is_assumed_is_allowed_for() -> None:
    state = State.empty(CHANNELS)
    phi, kappa = noise(state, look(np.full(PODS, 10.0)))
    assert phi == pytest.approx(3 * (1 + np.sqrt(0.5)))
    assert kappa == 0.5


def test_quiet_pods_soon_show_that_there_is_no_noise() -> None:
    assert after(quiet(4))[0] < 2.2
    phi, kappa = after(quiet(40))
    assert phi < 1.5
    assert kappa < 0.1


def test_two_pods_do_not_tell_how_pods_differ_however_long_one_looks() -> None:
    assert after(few(2, 100))[1] > 0.3
    assert after(few(run_noise.UNITS, 100))[1] < 0.1


def test_errors_that_come_in_clusters_show_their_size() -> None:
    for size in (2.0, 5.0, 20.0):
        assert after(clustered(60, size))[0] == pytest.approx(2 * size - 1, rel=0.4)


def test_pods_that_differ_for_good_have_noise_that_grows_with_the_run() -> None:
    random = np.random.default_rng(5)
    level = np.exp(0.3 * random.normal(size=PODS))
    drawn = [look(random.poisson(TRIALS * 0.01 * level).astype(float)) for _ in range(100)]
    short, long = after(drawn[:10])[0], after(drawn)[0]
    assert long > 4 * short
    variance = level.var(ddof=1) / level.mean() ** 2
    assert long == pytest.approx(1 + variance * 50 * level.mean() * 100, rel=0.3)


def test_noise_of_a_history_is_never_lessened_by_a_quiet_run() -> None:
    phi, kappa = after(quiet(40, measured=True))
    assert (phi, kappa) == (3.0, 0.5)
    assert after(clustered(60, 5.0, measured=True))[0] > 7


def test_pods_with_hardly_an_event_say_hardly_anything() -> None:
    lone = np.zeros(PODS)
    lone[3] = 1
    assert after([look(np.roll(lone, i)) for i in range(8)])[0] > 4


def test_without_pods_stables_own_clusters_are_seen_and_quiet_is_not_taken_for_none() -> None:
    assert after(quiet(60, named=False)) == (3.0, 0.5)
    assert after(clustered(60, 5.0, named=False))[0] > 6


def test_one_snapshot_of_two_pods_does_not_undo_what_those_without_showed() -> None:
    noisy = clustered(60, 10.0, named=False)
    assert after([*noisy, *few(2, 1)])[0] > 10
    assert after([*noisy, *few(PODS, 4)])[0] < 4  # many pods that are quiet do


def test_a_change_that_both_arms_share_is_not_taken_for_noise() -> None:
    calm = quiet(60, named=False)
    jumps = [*calm[:30], *quiet(30, rate=0.004, seed=3, named=False)]
    assert after(jumps)[0] == after(calm)[0] == 3.0


@pytest.mark.parametrize("measured", [False, True])
def test_a_pod_that_fails_for_minutes_does_not_blind_the_rest_of_the_run(measured: bool) -> None:
    """One of twelve with ten times the errors: too few for a shock of all."""
    calm = quiet(40, measured=measured)
    for length in (1, 3, 6):
        blip = []
        for one in calm[10 : 10 + length]:
            assert one.pods is not None
            failing = one.pods[0, :, 0].copy()
            failing[5] += 90
            blip.append(look(failing, measured=measured))
        told = after([*calm[:10], *blip, *calm[10 + length :]])
        assert told[0] < after(calm)[0] + 1
        assert told[1] < after(calm)[1] + 0.1


def test_clusters_that_come_later_are_learned_within_a_few_snapshots() -> None:
    told = after([*quiet(10, rate=0.01), *clustered(20, 20.0)])[0]
    assert told > 20  # phi is 39, and of a third of the run it was 1


@lawful
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_noise_is_fixed_before_the_events_of_a_snapshot_are_counted(seed: int, measured: bool, named: bool) -> None:
    """What makes evidence divided by it lawful: it depends on the past and on how many requests there are."""
    random = np.random.default_rng(seed)
    state = State.empty(CHANNELS)
    for one in (quiet if seed % 2 else lambda *a, **k: clustered(a[0], 5.0, **k))(3, measured=measured, named=named):
        state = updated(CHANNELS, state, one)
    now, other = (look(random.poisson(50, PODS).astype(float), measured, named) for _ in range(2))
    assert (noise(state, now)[0] == noise(state, other)[0]).all()
    assert (noise(state, now)[1] == noise(state, other)[1]).all()
    assert (noise(state, now)[0] >= 1).all()


@lawful
@given(st.lists(st.sets(st.integers(0, 60).map(lambda i: f"cart-{i}"), max_size=40), max_size=5))
def test_a_pod_keeps_its_unit_and_there_are_never_more_than_so_many(snapshots: list[set[str]]) -> None:
    followed: tuple[int, ...] = ()
    known: dict[str, int] = {}
    for names in snapshots:
        followed, units = run_noise.dealt(followed, sorted(names))
        assert units.keys() == names
        assert all(0 <= unit < run_noise.UNITS for unit in units.values())
        assert len(followed) <= run_noise.UNITS
        assert all(known.get(name, unit) == unit for name, unit in units.items())
        known |= units


def pods(*events: int) -> Proportion:
    stable = {f"cart-old-{i}": (x, 1000) for i, x in enumerate(events)}
    return Proportion(status="ok", canary={"cart-new-1": (5, 1000)}, stable=stable, series=2)


def test_what_pods_have_shown_is_kept_with_the_evidence_and_told() -> None:
    rule = plan(metric(), latency())
    evidence = JUDGE.start(rule)
    random = np.random.default_rng(0)
    told = []
    for number in range(1, 31):
        counts = pods(*random.negative_binomial(2, 1 / 6, 6).tolist())
        evidence, found = evaluated(rule, evidence, snapshot({"errors": counts, "latency": slow(0.2)}, number))
        kept = Evidence.unpack(evidence.pack())
        assert kept.followed == evidence.followed
        for name in ("pods", "dispersion", "adjacent"):
            assert (getattr(kept.state, name) == getattr(evidence.state, name)).all()
        told.append(found.metrics[0].dispersion)
    assert not found.calibrated
    assert told[0] is not None
    assert told[-1] is not None
    assert told[-1] > max(told[0], 4)  # phi is 6
    assert len(kept.followed) == 6


def test_more_pods_than_units_are_all_counted() -> None:
    rule = plan(metric())
    scheme = layout(key_of(rule), ())
    counts = pods(*range(40))
    found = count(rule, scheme.specs, (), snapshot({"errors": counts}, 1))
    assert found.pods is not None
    assert found.pods.sum(axis=1).T.tolist() == [[sum(range(40)), 40_000]]
    assert len(found.followed) == run_noise.UNITS


def test_a_source_that_knows_no_pods_has_no_units() -> None:
    rule = plan(metric())
    scheme = layout(key_of(rule), ())
    for stable in ({"": (5, 1000)}, {"cart-old-1": (5, 1000)}, {"cart-old-1": (5, 1000), "": (4, 800)}):
        counts = Proportion(status="ok", canary={"": (5, 1000)}, stable=stable)
        found = count(rule, scheme.specs, (), snapshot({"errors": counts}, 1))
        assert found.pods is None


def test_runs_with_and_without_pods_are_judged_together_as_one_by_one() -> None:
    rule = plan(metric())
    cases, alone = [], []
    for seed in range(4):
        random = np.random.default_rng(seed)
        evidence = JUDGE.start(rule)
        for number in range(1, 6):
            counts = pods(*random.poisson(5, 6).tolist()) if seed % 2 else proportion(9, 1000, 5, 1000)
            case = (rule, evidence, snapshot({"errors": counts}, number))
            evidence, _ = evaluated(*case)
        cases.append(case)
        alone.append(evidence.pack())
    assert [evidence.pack() for evidence, _ in JUDGE.judge(cases)] == alone


def test_what_is_not_counted_teaches_nothing() -> None:
    evidence = JUDGE.start(RULE)
    bad = proportion(0, 0, 0, 0)
    after_bad, _ = evaluated(RULE, evidence, snapshot({"errors": bad}, 1))
    assert not after_bad.state.adjacent.any()
    assert not after_bad.state.pods.any()


def test_limits_have_the_noise_of_their_metric() -> None:
    from serinus_contracts.plan import PlanLimit

    limits = [PlanLimit(name="a", metric="errors", share=0.1), PlanLimit(name="b", metric="slow", share=0.5, edge=1.0)]
    rule = plan(metric("other"), latency("slow"), metric("errors"), limits=limits)
    channels = layout(key_of(rule), (slots_used(None),)).channels
    assert channels.proportion.tolist() == [0, *[-1] * 5, 1, 1, -1, *[-1] * 5]
    assert channels.proportions == 2


def test_folding_without_history_uses_what_is_assumed() -> None:
    scheme = layout(key_of(RULE), ())
    counted = count(RULE, scheme.specs, (), snapshot({"errors": pods(5, 5, 5)}, 1))
    folded = fold(Noise.assumed(1, 1), counted, 0, True)
    assert (folded.phi.tolist(), folded.kappa.tolist(), folded.measured.tolist()) == ([3.0], [0.5], [False])
    assert replace(folded, pods=None).pods is None
