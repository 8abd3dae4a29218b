"""Which sample a page became, from the times of both alone."""

from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.audit.truth import ALIGNED_MS, Page, stamped

INTERVAL_MS, TIMEOUT_MS = 1_000, 900
SCRAPES = st.lists(
    st.tuples(st.integers(0, TIMEOUT_MS), st.integers(-ALIGNED_MS, ALIGNED_MS), st.booleans()), min_size=1, max_size=20
)


def page(number: int, time: int) -> Page:
    return Page(time, {"http_requests_total": float(number)}, 0.0)


@given(SCRAPES)
def test_each_page_has_the_stamp_of_its_own_scrape_however_slowly_it_was_answered(
    scrapes: list[tuple[int, int, bool]],
) -> None:
    pages, stamps, wanted = [], [], []
    for number, (delay, aligned, _) in enumerate(scrapes, start=1):
        begun = number * INTERVAL_MS
        pages.append(page(number, begun + delay))
        stamps.append(begun + aligned)
        wanted.append(page(number, begun + aligned))
    assert stamped(pages, stamps) == wanted


@given(SCRAPES)
def test_a_page_that_the_scraper_gave_up_is_no_sample(scrapes: list[tuple[int, int, bool]]) -> None:
    pages, stamps = [], []
    for number, (delay, aligned, sampled) in enumerate(scrapes, start=1):
        pages.append(page(number, number * INTERVAL_MS + delay))
        stamps += [number * INTERVAL_MS + aligned] if sampled else []
    found = stamped(pages, stamps)
    assert [one.values["http_requests_total"] for one in found] == [
        float(number) for number, (_, _, sampled) in enumerate(scrapes, start=1) if sampled
    ]
