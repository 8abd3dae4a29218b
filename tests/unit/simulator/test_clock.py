from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.clock import Agenda, SystemClock, moment, timestamp

from tests.unit.simulator.clocks import ManualClock


@given(st.lists(st.floats(0, 100), max_size=20))
def test_entries_run_in_the_order_of_their_moments_and_then_of_their_making(delays: list[float]) -> None:
    clock = ManualClock(0.0)
    agenda, ran = Agenda(clock), list[tuple[float, int]]()
    for number, delay in enumerate(delays):
        agenda.after(delay, partial(_note, agenda, ran, number))
    clock.advance(100)
    agenda.catch_up()
    assert ran == sorted((delay, number) for number, delay in enumerate(delays))


def _note(agenda: Agenda, ran: list[tuple[float, int]], number: int) -> None:
    ran.append((agenda.now, number))


def test_an_entry_made_by_an_entry_counts_from_that_ones_moment() -> None:
    clock = ManualClock(0.0)
    agenda, ran = Agenda(clock), list[float]()
    agenda.after(1, lambda: agenda.after(1, lambda: ran.append(agenda.now)))
    clock.advance(10)
    agenda.catch_up()
    assert ran == [2.0]
    assert agenda.now == 10.0


def test_nothing_runs_before_its_moment_or_after_it_was_cancelled() -> None:
    clock = ManualClock(0.0)
    agenda, ran = Agenda(clock), list[str]()
    agenda.after(2, lambda: ran.append("later"))
    cancelled = agenda.after(1, lambda: ran.append("never"))
    cancelled.cancel()
    assert agenda.next_due() == 2.0
    clock.advance(1.5)
    agenda.catch_up()
    assert ran == []


def test_who_waits_is_told_of_an_earlier_entry_only() -> None:
    agenda, told = Agenda(ManualClock(0.0)), list[str]()
    agenda.on_change = lambda: told.append("earlier")
    agenda.after(5, lambda: None)
    agenda.after(9, lambda: None)
    agenda.after(1, lambda: None)
    assert len(told) == 2


def test_times_are_cut_to_whole_seconds_and_read_back() -> None:
    assert timestamp(1_800_000_000.999) == "2027-01-15T08:00:00Z"
    assert moment("2027-01-15T08:00:00Z") == 1_800_000_000.0


def test_the_system_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.now() for _ in range(100)]
    assert readings == sorted(readings)
