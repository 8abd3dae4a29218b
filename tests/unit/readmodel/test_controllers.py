from typing import Any

from serinus_contracts import ControllerStatus
from serinus_readmodel.controllers import warnings

NOW = 1_600_000_000_000
WHEN = "2020-09-13 12:26:20 UTC"  # 20 s before


def status(**other: Any) -> ControllerStatus:
    return ControllerStatus.model_validate({"identity": "a", "reported": NOW, "led": NOW, "valid_ms": 30_000, **other})


def test_while_a_leader_speaks_nothing_is_told_and_neither_where_none_ever_did() -> None:
    assert warnings({"default": status(), "other": status(led=NOW - 20_000)}, NOW) == []
    assert warnings({}, NOW) == []


def test_a_redis_that_is_full_is_told_while_a_leader_speaks() -> None:
    full = status(redis="Redis is 100 % full: looks wait")
    assert warnings({"default": full}, NOW) == ["Redis is 100 % full: looks wait"]
    assert warnings({"default": full}, NOW + 60_000)[0].startswith("no controller is active")


def test_an_api_server_that_is_away_or_refuses_is_told_with_since_when_and_why() -> None:
    away = status(trouble="GET /x: timed out", since=NOW - 20_000, led=NOW - 20_000)
    assert warnings({"default": away}, NOW) == [
        f"the API server has not answered since {WHEN}: nothing can be advanced or aborted (GET /x: timed out)"
    ]
    refused = away.model_copy(update={"refused": True})
    assert warnings({"default": refused}, NOW)[0].startswith(f"the API server refuses the controller since {WHEN}: ")


def test_a_silence_is_no_leader_whatever_was_told_before_it_and_of_several_clusters_the_one_is_named() -> None:
    gone = status(trouble="GET /x: timed out", reported=NOW - 40_000, led=NOW - 20_000, valid_ms=10_000)
    text = f"no controller is active since {WHEN}: nothing can be advanced or aborted"
    assert warnings({"default": gone}, NOW) == [text]
    assert warnings({"a": status(), "b": gone}, NOW) == [f"cluster b: {text}"]
    assert warnings({"a": status(reported=NOW - 40_000, led=0)}, NOW) == [
        "no controller is active: " + text.partition(": ")[2]
    ]


def test_a_loss_of_data_is_told_for_an_hour_with_what_became_of_what_people_decided() -> None:
    found = f"Redis was found to have lost data at {WHEN}"
    kept, doubtful = status(lost=NOW - 20_000), status(lost=NOW - 20_000, doubtful=True)
    (line,) = warnings({"default": kept}, NOW)
    assert line == f"{found}: every run was planned again, and the controller wrote holds and approvals back"
    (line,) = warnings({"default": doubtful}, NOW)
    assert line == f"{found}, perhaps holds and approvals too: runs that were in progress stay on hold until resumed"
    gone = doubtful.model_copy(update={"led": NOW - 40_000})
    assert [line.partition(" since ")[0] for line in warnings({"default": gone}, NOW)] == [
        "no controller is active",
        f"{found}, perhaps holds and approvals too: runs that were in progress stay on hold until resumed",
    ]
    assert warnings({"default": kept}, NOW + 3_600_000) == [
        "no controller is active since 2020-09-13 12:26:40 UTC: nothing can be advanced or aborted"
    ]
