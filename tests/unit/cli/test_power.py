"""What a run tells of its latency before the next one."""

from serinus.power import Slowdown, shut_by_buckets, traffic
from serinus_contracts import Channel, Counts, MetricVerdict
from serinus_contracts.metric import Margin

from tests.support import ERRORS, plan, verdict


def latency(proof: float | None) -> MetricVerdict:
    counts = Counts(events=5, trials=100)
    tested = Channel(
        canary=counts,
        stable=counts,
        canary_edge=1.0,
        stable_edge=0.83,
        margin=Margin(),
        log_eprocess_non_inferior=proof,
    )
    return MetricVerdict(
        name="latency",
        label="ok",
        status="ok",
        share=1,
        log_eprocess=0,
        run=(tested,),
        allowed_slowdown=1.2,
        visible_slowdown=10,
    )


def test_a_run_tells_what_the_buckets_of_its_latency_show() -> None:
    known = traffic([verdict(metrics=(latency(None),))], plan())
    assert known.slowdowns == {"latency": Slowdown(seen=10, allowed=1.2, provable=False)}


def test_what_the_last_verdict_leaves_out_is_taken_from_the_one_before_that_did_not() -> None:
    brief = latency(None).model_copy(update={"visible_slowdown": None})
    last = verdict(end=1_011_000, metrics=(brief,), described=False)
    known = traffic([verdict(metrics=(latency(0.5),)), last], plan())
    assert known.slowdowns == {"latency": Slowdown(seen=10, allowed=1.2, provable=True)}


def test_a_gate_that_buckets_keep_shut_is_told_where_it_waits_for_them() -> None:
    critical = ERRORS.model_copy(update={"name": "latency", "critical": True})
    both = plan(metrics=(ERRORS.model_copy(update={"critical": False}), critical))
    shut = {"latency": Slowdown(seen=10, allowed=1.2, provable=False)}
    assert shut_by_buckets(both, shut) == [
        "latency can never be shown within its margin at 50 % with the buckets that it has"
    ]
    assert shut_by_buckets(both, {"latency": Slowdown(seen=1.3, allowed=1.2, provable=True)}) == []
    assert shut_by_buckets(plan(metrics=(ERRORS.model_copy(update={"critical": True}),)), shut) == []
