from hypothesis import given
from hypothesis import strategies as st
from serinus_console.use_cases.limits import Limiter


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_a_minute_and_then_after_a_while() -> None:
    time = Seconds()
    limiter = Limiter(2, time)
    assert [limiter.wait("alice") for _ in range(3)] == [0, 0, 30]
    assert limiter.wait("bob") == 0
    time.now = 30.0
    assert [limiter.wait("alice"), limiter.wait("alice")] == [0, 30]


@given(st.integers(1, 30), st.lists(st.floats(0, 20), max_size=200))
def test_never_more_than_the_bucket_and_what_flowed_in(a_minute: int, pauses: list[float]) -> None:
    time = Seconds()
    limiter = Limiter(a_minute, time)
    taken = 0
    for pause in pauses:
        time.now += pause
        taken += limiter.wait("alice") == 0
    assert taken <= a_minute + time.now * a_minute / 60 + 1e-6
