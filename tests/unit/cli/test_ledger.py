"""The ledger must notice every way in which judged counts can differ from what the scrapes showed."""

import json
from pathlib import Path
from typing import Any

import pytest
from serinus.ledger import Page, _chain_faults, _expected, _shown, parse_series, read_pages

from tests.support import ERRORS, plan, snapshot, verdict

OK = 'http_requests_total{code="200"}'
FAILED = 'http_requests_total{code="500"}'


def page(time: int, ok: float, failed: float | None = None, hidden: float = 0.0) -> Page:
    return Page(time, {OK: ok} | ({FAILED: failed} if failed is not None else {}), hidden)


def test_a_window_shows_what_was_added_between_its_edges() -> None:
    pages = [page(10, 100), page(20, 150, 2), page(30, 180, 5), page(40, 999, 9)]
    assert _shown(pages, 0, 15, 35, young=False) == {OK: 80, FAILED: 5}


def test_a_restart_is_told_by_what_it_hides_and_its_new_values_count_whole() -> None:
    pages = [page(10, 100, 4), page(20, 130, 5, hidden=100)]
    assert _shown(pages, 0, 10, 20, young=False) == {OK: 130, FAILED: 5}


def test_a_pod_that_began_inside_the_window_counts_from_zero_and_an_older_one_from_its_first_scrape() -> None:
    pages = [page(20, 50), page(30, 80)]
    assert _shown(pages, 0, 15, 30, young=True) == {OK: 80}
    assert _shown(pages, 0, 15, 30, young=False) == {OK: 30}


def test_no_scrape_from_before_the_stage_serves_as_base() -> None:
    pages = [page(10, 100), page(40, 500), page(50, 530)]
    assert _shown(pages, 30, 35, 50, young=False) == {OK: 30}


def test_counts_are_those_of_the_arms_own_pods() -> None:
    look = snapshot()
    pages = {
        "checkout-new-1": [page(1_009_000, 100), page(1_010_000, 599, 1)],
        "checkout-old-1": [page(1_009_000, 0), page(1_010_000, 9_481, 19)],
        "checkout-older-1": [page(1_009_000, 0), page(1_010_000, 77)],
    }
    assert _expected(plan(), ERRORS, look, "canary", pages) == [1, 500]
    assert _expected(plan(), ERRORS, look, "stable", pages) == [19, 9_500]


@pytest.mark.parametrize(
    ("looks", "ends", "fault"),
    [
        ([(0, 1), (1, 2)], [1, 2], None),
        ([(0, 1), (1, 2)], [1], None),
        ([(0, 1), (2, 3)], [1, 3], "follows 2, the one before ended at 1"),
        ([(0, 1), (1, 2), (2, 3)], [1, 3], "the look to 2 has no verdict"),
        ([(0, 1), (1, 2)], [1, 1, 2], "was told 2 times"),
        ([(0, 1), (1, 2)], [2, 1], "out of order"),
    ],
)
def test_a_hole_a_repeat_or_a_wrong_order_in_the_chain_is_a_fault(
    looks: list[tuple[int, int]], ends: list[int], fault: str | None
) -> None:
    chain = [snapshot(follows, end, metrics={}) for follows, end in looks]
    found = list(_chain_faults(chain, [verdict(end=end) for end in ends]))
    assert found == [] if fault is None else fault in found[0]


def test_a_log_that_is_still_being_written_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    scrape: dict[str, Any] = {"time": 1, "by": "simulator", "namespace": "shop", "rollout": "checkout", "pod": "p"}
    scrape |= {"ok": True, "values": {OK: 5}, "totals": {OK: 7}}
    log.write_text(json.dumps(scrape) + "\n" + json.dumps({**scrape, "ok": False}) + "\n" + '{"time": 2, "by')
    assert read_pages(log, "shop", "checkout", "simulator") == {"p": [Page(1, {OK: 5}, 2)]}


def test_a_series_of_a_page_has_its_name_among_its_labels() -> None:
    assert parse_series(OK) == {"__name__": "http_requests_total", "code": "200"}
    assert parse_series("up") == {"__name__": "up"}
