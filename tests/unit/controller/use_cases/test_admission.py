from serinus_controller.use_cases.admission import HOUR_MS, MAX_BYTES, RUN_BYTES, Admission

from tests.support import plan


def begun_until_full(admission: Admission, now: int) -> int:
    """How many releases of a namespace begin, each of which has ended before the next."""
    count = 0
    while not admission.full("greedy", now):
        admission.begins("greedy", plan(), now)
        admission.listed([])
        count += 1
    return count


def test_who_releases_again_and_again_begins_no_more_in_an_hour_than_leaves_redis_room() -> None:
    admission, size = Admission(1_000), 2 * len(plan().canonical) + RUN_BYTES
    most = -(-MAX_BYTES // size)
    assert begun_until_full(admission, 0) == most
    assert "within an hour" in admission.full("greedy", 1)
    assert admission.full("shop", 1) == ""
    assert abs(begun_until_full(admission, HOUR_MS // 2) - most / 2) < 3
    assert begun_until_full(admission, 10 * HOUR_MS) == most


def test_large_plans_under_way_leave_room_for_those_of_others() -> None:
    admission, large = Admission(1_000_000), plan(policy="x" * 100_000)
    count = MAX_BYTES // (2 * len(large.canonical)) + 1
    admission.listed([("greedy", large)] * count)
    assert "let its policies ask for fewer metrics" in admission.full("greedy", 0)
    assert admission.full("shop", 0) == ""
    admission.listed([("greedy", large)] * (count // 2))
    assert admission.full("greedy", 0) == ""
