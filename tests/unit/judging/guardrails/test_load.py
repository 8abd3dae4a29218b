"""What a pod of the canary has to serve beside one of stable is said, and changes no verdict."""

import pytest
from serinus_contracts.events import Proportion
from serinus_judging.guardrails import load

from tests.unit.judging.builders import metric, plan
from tests.unit.judging.pods import of_kind, pods, run, settled, shares

RULE = plan(metric(ratio=1.25, absolute=0.01), gate="noRegression")
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("counts", "ratio"),
    [
        (shares([(1, 500)], [(1, 250)] * 2), 2.0),
        (shares([(1, 500)] * 2, [(1, 400)] * 4), 1.25),
        (shares([(1, 490)] * 2, [(1, 400)] * 4), None),
        (shares([(1, 100)], [(1, 500)] * 4), None),
        (shares([(1, 50)], [(1, 25)]), None),  # too few to tell
        (shares([(1, 500)], [(1, 250), (0, 0)]), 2.0),  # what serves nothing has no load
        (Proportion(status="ok", canary={"": (1, 500)}, stable={"": (1, 250)}), None),
        (Proportion(status="no_data"), None),
    ],
)
def test_a_load_is_told_from_a_quarter_more_on(counts: Proportion, ratio: float | None) -> None:
    (snapshot,) = run(lambda _: {"errors": counts}, 1, pods())
    found = load.heavier(RULE, snapshot, NONE)
    assert (None if found is None else found.ratio) == ratio


def test_pods_that_are_warming_up_do_not_count() -> None:
    (snapshot,) = run(lambda _: {"errors": shares([(1, 500), (1, 10)], [(1, 250)] * 2)}, 1, pods())
    found = load.heavier(RULE, snapshot, frozenset({"cart-new-1"}))
    assert found is not None
    assert found.ratio == 2.0


def test_pods_that_are_gone_do_not_count() -> None:
    (snapshot,) = run(lambda _: {"errors": shares([(1, 500)], [(1, 450)] * 2 + [(1, 9)] * 2)}, 1, pods(1, 2))
    assert load.heavier(RULE, snapshot, NONE) is None


def test_a_finding_says_so_and_the_canary_proceeds() -> None:
    _, found = settled(RULE, run(lambda _: {"errors": shares([(1, 500)] * 2, [(1, 250)] * 4)}, 6, pods()))
    assert found.verdict == "proceed"
    (finding,) = of_kind(found.findings, "traffic")
    assert finding.text == (
        "a pod of the canary serves 2 times as much as one of stable (500 and 250 requests in this snapshot); "
        "what follows load is worse for that reason alone"
    )
    assert (finding.values, finding.decides) == ({"ratio": 2.0}, False)
    _, even = settled(RULE, run(lambda _: {"errors": shares([(1, 500)] * 2, [(1, 500)] * 4)}, 6, pods()))
    assert not of_kind(even.findings, "traffic")


def test_an_abort_says_so_too() -> None:
    _, found = settled(RULE, run(lambda _: {"errors": shares([(150, 500)] * 2, [(1, 250)] * 4)}, 6, pods()))
    assert found.verdict == "abort"
    assert found.sentence.endswith(
        "(500 and 250 requests in this snapshot): what follows load is worse for that reason alone"
    )
