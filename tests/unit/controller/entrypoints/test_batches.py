import pytest
from redis.exceptions import ConnectionError as RedisAwayError
from serinus_contracts import VerdictReached, seal
from serinus_contracts.described import whole_in_order
from serinus_contracts.envelope import CloudEvent
from serinus_controller.entrypoints.batches import each, foremost
from serinus_runtime.complaints import Complaints

from tests.support import RUN, verdict
from tests.unit.judging.test_described import RULE, looks
from tests.unit.judging.test_described import told as verdicts_of

pytestmark = pytest.mark.anyio


def said(name: str, end: int, judged: str = "proceed") -> CloudEvent[VerdictReached]:
    run = RUN.model_copy(update={"uid": name})
    return seal(verdict(run=run, end=end, verdict=judged), source="/test", now=1)


def told(events: list[CloudEvent[VerdictReached]]) -> list[tuple[str, int, str]]:
    return [(one.data.run.uid, one.data.end, one.data.verdict) for one in events]


def test_of_several_verdicts_on_a_run_the_abort_is_kept_else_the_newest_and_aborts_go_first() -> None:
    batch = [said("a", 2_000_000), said("a", 1_500_000), said("b", 1_400_000, "abort"), said("b", 2_000_000, "hold")]
    assert told(foremost(batch)) == [("b", 1_400_000, "abort"), ("a", 2_000_000, "proceed")]


def test_what_a_verdict_leaves_out_is_not_lost_with_those_before_it_in_the_batch() -> None:
    briefly = verdicts_of(RULE, looks(3, 16))
    stage = [one for one in briefly if one.stage == 1]
    assert [one.described for one in (stage[0], stage[-1])] == [True, False]
    (kept,) = foremost([seal(one, source="/test", now=1) for one in stage])
    assert kept.data == whole_in_order(briefly)[-1]
    assert all(one.dispersion is not None for one in kept.data.metrics if one.name == "errors")


async def test_what_goes_wrong_about_one_run_holds_up_no_other_and_leaves_its_later_ones() -> None:
    handled = list[CloudEvent[VerdictReached]]()

    async def handle(event: CloudEvent[VerdictReached]) -> None:
        if event.data.run.uid == "a":
            raise RuntimeError("a bug")
        handled.append(event)

    failed = await each(
        [said("a", 1_400_000), said("b", 1_400_000), said("a", 1_500_000, "hold")], handle, Complaints()
    )
    assert (failed, told(handled)) == ({said("a", 1_400_000).data.run.id}, [("b", 1_400_000, "proceed")])


async def test_what_may_be_retried_is_left_to_who_hands_the_batch_over_again() -> None:
    async def handle(_: CloudEvent[VerdictReached]) -> None:
        raise RedisAwayError("away")

    with pytest.raises(RedisAwayError):
        await each([said("a", 1_400_000)], handle, Complaints())
