from __future__ import annotations

import asyncio
import json

import pytest
from serinus_simulator.faults import Faults, KubernetesFault, PrometheusFault

from tests.unit.simulator.web import ROLLOUTS, Web, run

STATUS = f"{ROLLOUTS}/checkout/status"


async def abort(web: Web) -> int:
    return (await web.merge(STATUS, {"status": {"abort": True}})).status_code


@pytest.mark.parametrize("code", [401, 403, 404, 409, 410, 422, 429, 500, 503, 504])
def test_a_call_is_refused_with_the_code_so_often_and_then_carried_out(code: int) -> None:
    async def use(web: Web) -> None:
        await web.fault(target="kubernetes", effect="status", code=code, verbs=["patch"], calls=2)
        answers = [await web.merge(STATUS, {"status": {"abort": True}}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [code, code, 200]
        assert answers[0].json()["kind"] == "Status"
        assert answers[0].json()["code"] == code
        assert ("retry-after" in answers[0].headers) is (code == 429)

    run(use)


def test_a_refused_patch_changes_nothing_unless_it_fails_after_it_was_carried_out() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="kubernetes", effect="status", code=500, calls=1)
        assert await abort(web) == 500
        assert "abort" not in web.handled.status
        await web.fault(target="kubernetes", effect="status", code=504, when="after", calls=1)
        assert await abort(web) == 504
        assert web.handled.status["abort"] is True

    run(use)


def test_a_fault_concerns_only_what_it_names() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="kubernetes", effect="status", resources=["rollouts/status"], name="payments")
        await web.fault(target="kubernetes", effect="status", resources=["rollouts"], verbs=["list"])
        assert await abort(web) == 200
        assert (await web.get(f"{ROLLOUTS}/checkout")).status_code == 200
        assert (await web.get(ROLLOUTS)).status_code == 500

    run(use)


def test_a_fault_ends_after_its_time() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="kubernetes", effect="status", lasts=10)
        assert (await web.get(ROLLOUTS)).status_code == 500
        web.handled.advance(9.9)
        assert (await web.get(ROLLOUTS)).status_code == 500
        web.handled.advance(0.2)
        assert (await web.get(ROLLOUTS)).status_code == 200
        assert (await web.get("/world/faults")).json() == {"faults": []}

    run(use)


def test_a_slow_answer_comes_after_its_seconds() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="kubernetes", effect="slow", seconds=3)
        early, answer = await web.waiting(web.get(ROLLOUTS), 3)
        assert (early, answer.status_code) == (False, 200)

    run(use)


def test_a_fault_with_a_probability_hits_now_and_then() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="kubernetes", effect="status", probability=0.5)
        codes = [(await web.get(ROLLOUTS)).status_code for _ in range(60)]
        assert 10 < codes.count(500) < 50

    run(use)


@pytest.mark.parametrize(("effect", "ended"), [("close_watches", []), ("expire_watches", ["ERROR"])])
def test_open_watches_can_be_closed_or_expired_on_command(effect: str, ended: list[str]) -> None:
    async def use(web: Web) -> None:
        version = str(web.world.store.revision)
        watching = asyncio.ensure_future(web.get(ROLLOUTS, watch="true", resourceVersion=version))
        await asyncio.sleep(0.01)
        await web.fault(target="kubernetes", effect=effect, calls=1)
        answer = await asyncio.wait_for(watching, 30)
        assert [json.loads(line)["type"] for line in answer.text.splitlines()] == ended
        if ended:
            again = await web.get(ROLLOUTS, watch="true", resourceVersion=version)
            assert json.loads(again.text)["object"]["code"] == 410

    run(use)


def test_faults_are_listed_with_their_hits_and_taken_back_one_by_one() -> None:
    async def use(web: Web) -> None:
        first = await web.fault(target="kubernetes", effect="status", verbs=["list"])
        second = await web.fault(target="prometheus", effect="empty", lasts=60)
        await web.get(ROLLOUTS)
        shown = (await web.get("/world/faults")).json()["faults"]
        assert [(one["id"], one["hits"], one["target"]) for one in shown] == [
            (first, 1, "kubernetes"),
            (second, 0, "prometheus"),
        ]
        assert shown[1]["seconds_left"] == 60
        assert (await web.client.delete("/world/faults", params={"id": first})).json() == {"cleared": 1}
        assert (await web.client.delete("/world/faults")).json() == {"cleared": 1}

    run(use)


@pytest.mark.parametrize(
    "body", ['{"target":"moon"}', '{"target":"kubernetes","effect":"status","cod":500}', "{", "5", "[{}]"]
)
def test_a_fault_that_is_none_is_refused(body: str) -> None:
    async def use(web: Web) -> None:
        answer = await web.client.post("/world/faults", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]

    run(use)


def test_a_lost_promote_stands_without_effect_until_the_object_changes() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="argo", effect="lose_promotes", calls=1)
        web.handled.release()
        web.handled.promote(seconds=40)
        assert web.handled.status["phase"] == "Paused"
        assert "pauseConditions" not in web.handled.status
        assert web.handled.status["currentStepIndex"] == 1
        await web.merge(STATUS, {"status": {"pauseConditions": None}})
        web.handled.advance(5)
        assert web.handled.status["currentStepIndex"] == 1
        await web.merge(STATUS, {"status": {"message": "nudge"}})
        web.handled.advance(1)
        assert web.handled.status["currentStepIndex"] == 3

    run(use)


def test_a_lost_abort_is_healed_by_an_annotation_too() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="argo", effect="lose_aborts", calls=1)
        web.handled.release()
        await web.merge(STATUS, {"status": {"abort": True}})
        web.handled.advance(20)
        assert web.handled.status["phase"] == "Paused"
        await web.merge(f"{ROLLOUTS}/checkout", {"metadata": {"annotations": {"touched": "yes"}}})
        web.handled.advance(1)
        assert web.handled.status["phase"] == "Degraded"

    run(use)


def test_a_stale_read_pauses_again_at_the_same_step_and_a_second_promote_goes_on() -> None:
    async def use(web: Web) -> None:
        await web.fault(target="argo", effect="repause", calls=1)
        web.handled.release()
        first = web.handled.status["pauseConditions"][0]["startTime"]
        web.handled.advance(5)
        web.handled.promote(seconds=2)
        assert web.handled.status["currentStepIndex"] == 1
        assert web.handled.status["phase"] == "Paused"
        assert web.handled.status["pauseConditions"][0]["startTime"] > first
        web.handled.promote(seconds=2)
        assert web.handled.status["currentStepIndex"] == 3

    run(use)


def test_hits_are_told_apart_by_target() -> None:
    class NoAgenda:
        now = 0.0

    faults = Faults(NoAgenda(), lambda: 0.0)  # type: ignore[arg-type]
    faults.add(KubernetesFault(target="kubernetes", effect="status"))
    faults.add(PrometheusFault(target="prometheus", effect="empty", query="^up"))
    assert len(faults.kubernetes("before", "get", "pods", "", "")) == 1
    assert faults.kubernetes("after", "get", "pods", "", "") == []
    assert faults.prometheus("down") == []
    assert len(faults.prometheus("up[5m]")) == 1
    assert not faults.argo("lose_promotes", "shop", "checkout")
