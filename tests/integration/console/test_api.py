"""The API over real HTTP and Redis."""

from collections.abc import Callable
from typing import Any

import pytest
from serinus_contracts import CommandIssued, DecisionTaken, from_entry
from serinus_contracts.report import Ended, Planned

from tests.consoles import BEARER, Teller, another
from tests.support import RUN, observed, plan, verdict

pytestmark = pytest.mark.anyio
RUN_PATH = f"/v1/runs/{RUN.id}"
Start = Callable[..., Any]


def decision(**other: Any) -> DecisionTaken:
    fields = {"run": RUN, "step": 1, "action": "hold", "cause": "v", "detail": "settling", "decided": 7}
    return DecisionTaken(**({"mode": "enforce", "state": "confirmed"} | fields | other))


async def test_runs_are_listed_live_ones_first_and_in_pages(start: Start, teller: Teller) -> None:
    for name in ("payments", "search"):
        await teller.live(another(name))
    await teller.ended(another("old"), "aborted")
    console = await start()
    await console.until("/v1/runs?limit=500", "u-old")
    names, path = [], "/v1/runs?limit=2"
    while path:
        page = (await console.get(path)).json()
        names += [item["run"]["name"] for item in page["items"]]
        path = page["next"]
    assert sorted(names[:2]) == ["payments", "search"]
    assert names[2:] == ["old"]
    ended = (await console.get("/v1/runs?state=ended&namespace=shop")).json()["items"]
    assert [(item["run"]["name"], item["state"]) for item in ended] == [("old", "aborted")]
    assert (await console.get("/v1/runs?after=gone")).status_code == 409


async def test_a_run_tells_its_verdict_what_happens_next_and_its_plan(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    await teller.tell(verdict())
    answer = await console.until(RUN_PATH, "no regression seen")
    run = answer.json()
    assert (run["state"], run["verdict"]) == ("live", "proceed")
    assert run["next"] == "stays at this weight until the analysis resumes", "the verdict is of 1970"
    assert run["last_verdict"]["evaluation"] == 9
    assert (await console.get(run["links"]["plan"])).json() == plan().model_dump(mode="json")


async def test_what_was_told_before_the_console_began_is_read_from_the_streams(start: Start, teller: Teller) -> None:
    await teller.live()
    for number in (1, 2, 3):
        await teller.tell(verdict(end=number * 1000, evaluation=number, changed=number == 1))
        await teller.tell(verdict(run=another("noise"), end=number * 1000))
    await teller.tell(decision())
    console = await start()
    course = (await console.until(f"{RUN_PATH}/course", '"end":1000')).json()
    assert [point["end"] for point in course["points"]] == [1000, 2000, 3000]
    assert [change["evaluation"] for change in course["changes"]] == [1]
    assert course["complete"]
    await console.until(RUN_PATH, '"detail":"settling"')


async def test_verdicts_and_decisions_come_whole_from_the_streams_newest_first_in_pages(
    start: Start, teller: Teller
) -> None:
    await teller.live()
    console = await start()
    for number in range(1, 6):
        await teller.tell(verdict(end=number * 1000))
        await teller.tell(verdict(run=another("noise"), end=number * 1000))
    ends, path = [], f"{RUN_PATH}/verdicts?limit=2"
    while path:
        page = (await console.get(path)).json()
        ends += [item["data"]["end"] for item in page["items"]]
        path = page["next"]
    assert ends == [5000, 4000, 3000, 2000, 1000]
    await teller.tell(decision())
    decisions = (await console.get(f"{RUN_PATH}/decisions")).json()["items"]
    assert [(item["type"], item["data"]["detail"]) for item in decisions] == [
        ("dev.serinus.decision.taken.v1", "settling")
    ]


async def test_the_story_of_a_run_is_told_for_as_long_as_it_is_kept(start: Start, teller: Teller) -> None:
    console = await start()
    path = f"{RUN_PATH}/report"
    assert (await console.get(path)).status_code == 404
    story = teller.keys.story(RUN.id)
    chapters = (Planned(at=1, run=RUN, plan=plan()), Ended(at=9, outcome="promoted"))
    await teller.client.rpush(story, *(chapter.model_dump_json() for chapter in chapters))
    told = (await console.get(path)).json()
    assert (told["outcome"], told["began"], told["ended"], told["policy"]) == ("promoted", 1, 9, "shop")
    await teller.client.lpush(story, "{}")
    assert (await console.get(path)).status_code == 404


async def test_an_answer_that_is_known_is_not_sent_again(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    first = await console.until("/v1/runs", "u-1")
    again = await console.get("/v1/runs", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await teller.tell(verdict())
    await console.until("/v1/runs", "proceed")
    changed = await console.get("/v1/runs", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v1/runs/a/b/c/1", 404, "no such run"),
        ("/v1/runs/a/b/c/x", 422, "attempt"),
        ("/v1/runs?limit=0", 422, "limit"),
        ("/v1/nothing", 404, "Not Found"),
        (f"{RUN_PATH}/verdicts?before=x", 422, "before"),
    ],
)
async def test_an_error_is_a_problem_that_names_the_place(
    start: Start, teller: Teller, path: str, status: int, word: str
) -> None:
    await teller.live()
    console = await start()
    await console.until("/v1/runs", "u-1")
    answer = await console.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["instance"]) == (status, path.partition("?")[0])
    assert word in answer.json()["detail"]


async def test_argo_is_told_proceed_only_for_a_fresh_verdict_on_the_hash_it_asks_about(
    start: Start, teller: Teller
) -> None:
    now = await teller.now()
    await teller.live(stage_started=now - 60_000)
    console = await start()
    path = "/v1/rollouts/shop/checkout/verdict"
    assert (await console.until(path, "no_verdict")).json()["verdict"] == "hold"
    await teller.tell(verdict(end=await teller.now(), stage_started=now - 60_000))
    told = await console.until(path + "?hash=new", "no_regression")
    assert told.status_code == 200
    assert (told.headers["content-type"], told.headers["cache-control"]) == ("application/json", "no-store")
    assert told.json()["verdict"] == "proceed"
    for other in ("/v1/rollouts/shop/checkout/verdict?hash=older", "/v1/rollouts/shop/nothing/verdict"):
        unknown = await console.get(other)
        assert (unknown.status_code, unknown.json()["verdict"]) == (200, "unknown")


async def test_argo_is_told_to_hold_when_the_last_verdict_is_old(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    await teller.tell(verdict())
    told = (await console.until("/v1/rollouts/shop/checkout/verdict", "stale")).json()
    assert (told["verdict"], told["reason"]) == ("hold", "stale")


async def test_a_hold_by_a_person_and_its_end_are_seen_by_argo(start: Start, teller: Teller) -> None:
    now = await teller.now()
    await teller.live(stage_started=now)
    console = await start()
    await teller.tell(verdict(end=await teller.now(), stage_started=now))
    memory = teller.keys.control(RUN.id)
    await teller.client.hset(memory, "operator", '{"approvals": {}, "held_by": "alice (lunch)"}')
    await teller.tell(decision(detail="hold by alice (lunch)"))
    path = "/v1/rollouts/shop/checkout/verdict"
    assert (await console.until(path, "alice")).json()["reason"] == "held"
    await teller.client.hset(memory, "operator", '{"approvals": {}, "held_by": ""}')
    await teller.tell(decision(detail="resume by alice", decided=8))
    assert (await console.until(path, "no_regression")).json()["verdict"] == "proceed"


async def test_a_command_is_sent_with_who_asked_and_when_it_expires(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start(auth="token")
    await console.until("/v1/runs", "u-1")
    body = {"verb": "abort", "step": 1, "reason": "known issue"}
    answer = await console.post(f"{RUN_PATH}/commands", json=body, headers=BEARER)
    assert answer.status_code == 202
    entries: Any = await teller.client.xrange(teller.keys.stream("commands"))
    sent = from_entry(CommandIssued, entries[0][1]).data
    assert sent.model_dump(mode="json") == answer.json()["command"]
    assert (sent.verb, sent.actor, sent.verified, sent.reason) == ("abort", "operator", True, "known issue")
    assert 100_000 < sent.expires - await teller.now() <= 120_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"verb": "abort", "step": 4}, 409),
        ({"verb": "retry"}, 409),
        ({"verb": "explode"}, 422),
        ({"verb": "abort", "stp": 1}, 422),
        ({}, 422),
    ],
)
async def test_a_command_that_makes_no_sense_is_not_sent(
    start: Start, teller: Teller, body: dict[str, Any], status: int
) -> None:
    await teller.live()
    console = await start(auth="token")
    await console.until("/v1/runs", "u-1")
    assert (await console.post(f"{RUN_PATH}/commands", json=body, headers=BEARER)).status_code == status
    assert await teller.client.xlen(teller.keys.stream("commands")) == 0


async def test_every_answer_forbids_what_is_not_ours(start: Start) -> None:
    console = await start()
    for path in ("/v1/runs", "/v1/nothing", "/v1/openapi.json"):
        headers = (await console.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


async def test_a_garbled_entry_ends_nobodys_view(start: Start, teller: Teller) -> None:
    await teller.live()
    await teller.client.xadd(teller.keys.stream("verdicts"), {"ce": "{", "run": RUN.id})
    console = await start()
    await teller.client.xadd(teller.keys.stream("decisions"), {"nonsense": "1"})
    await teller.tell(verdict())
    await console.until(RUN_PATH, "no regression seen")
    assert (await console.get("/healthz")).status_code == 200


async def test_what_changes_meanwhile_is_seen(start: Start, teller: Teller) -> None:
    console = await start()
    assert (await console.get("/v1/runs")).json() == {"items": [], "next": None}
    await teller.live()
    await console.until("/v1/runs", '"state":"live"')
    await teller.registry.retire(observed(outcome="promoted"))
    await console.until("/v1/runs", '"state":"promoted"')
