"""Every answer of the recorded API server to what we serve: codes, bodies, watches, lists of the past."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from serinus_simulator.faults import KubernetesFault
from serinus_simulator.kubernetes.kinds import ROLLOUTS
from serinus_simulator.server import create_app
from serinus_simulator.world.scenario import Scenario
from serinus_simulator.world.world import World

from tests.contract.simulator.recordings import recording
from tests.unit.simulator.clocks import ManualClock

EVENTS = recording("api-errors")
REQUESTS = {event["n"]: event for event in EVENTS[1:] if event["event"] == "request"}
ANSWERS = {event["n"]: event for event in EVENTS[1:] if event["event"] == "response"}
LINES = {
    number: [event["body"] for event in EVENTS[1:] if event["event"] == "line" and event["n"] == number]
    for number in ANSWERS
}
OLD = "8027"
"""A resourceVersion of the recording from before the Rollout was made."""
OTHER_RESOURCES = {1, 2, *range(53, 62), 70}
"""Tokens, reviews and namespaces are not served."""
OF_OTHERS = {45, 46, 47, 48, 49, 52}
"""Refused for who asked: here by a fault, below."""
BEFORE_THE_WATCHES = [number for number in REQUESTS if 8 <= number <= 51]


class Api:
    """The simulator at the point of the recording where Argo has paused at the first step."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.world = World(Scenario(), self.clock)
        self.old = str(self.world.store.revision)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(self.world)), base_url="http://simulator"
        )

    async def send(self, number: int) -> httpx.Response:
        request = REQUESTS[number]
        body = request.get("body")
        content = body if isinstance(body, str) else json.dumps(self.translated(body))
        headers = {"content-type": request["content_type"]} if request["content_type"] else {}
        path = request["path"].replace(f"resourceVersion={OLD}", f"resourceVersion={self.old}")
        return await self.client.request(request["method"], path, content=content, headers=headers)

    def advance(self, seconds: float) -> None:
        end = self.clock.now() + seconds
        while (due := self.world.agenda.next_due()) is not None and due <= end:
            self.clock.advance(max(0.0, due - self.clock.now()))
            self.world.catch_up()
        self.clock.advance(max(0.0, end - self.clock.now()))
        self.world.catch_up()

    def translated(self, body: Any) -> Any:
        rollout = self.world.store.peek(ROLLOUTS, "shop", "checkout")
        if rollout is None:
            return body
        status = rollout.get("status") or {}
        if isinstance(body, list) and len(body) > 3:
            start = status["pauseConditions"][0]["startTime"]
            values = {
                "/metadata/uid": rollout["metadata"]["uid"],
                "/status/currentPodHash": status["currentPodHash"],
                "/status/pauseConditions/0/startTime": start,
            }
            return [one | {"value": values[one["path"]]} if one["path"] in values else one for one in body]
        return json.loads(json.dumps(body).replace(f'"{OLD}"', f'"{self.old}"'))


def with_api(use: Callable[[Api], Awaitable[None]]) -> None:
    async def run() -> None:
        api = Api()
        for number in range(3, 7):
            await api.send(number)
        api.advance(1.0)
        await api.send(7)
        api.advance(1.0)
        await use(api)
        await api.client.aclose()

    asyncio.run(run())


def comparable(body: Any) -> Any:
    """A body without the numbers that differ from run to run."""
    return json.loads(re.sub(r"\(\d+\)", "(N)", json.dumps(body)))


def test_refusals_have_the_recorded_codes_and_bodies() -> None:
    async def use(api: Api) -> None:
        for number in BEFORE_THE_WATCHES:
            if number in OTHER_RESOURCES | OF_OTHERS:
                continue
            answer, recorded = await api.send(number), ANSWERS[number]
            assert answer.status_code == recorded["code"], number
            if isinstance(recorded["body"], str):
                assert answer.text == recorded["body"]
            elif recorded["code"] >= 400:
                assert answer.json() == recorded["body"], number

    with_api(use)


def test_patches_that_change_nothing_answer_200_with_the_same_resource_version() -> None:
    accepted = (27, 28, 30, 42, 43, 44, 51)

    async def use(api: Api) -> None:
        recorded_versions, versions = [], []
        for number in accepted:
            answer = await api.send(number)
            assert answer.status_code == 200
            metadata, recorded = answer.json()["metadata"], ANSWERS[number]["body"]
            versions.append(metadata["resourceVersion"])
            recorded_versions.append(recorded["metadata"]["resourceVersion"])
            assert metadata["generation"] == recorded["metadata"]["generation"]
            assert answer.json()["status"].keys() == recorded["status"].keys() - {"duration"}
        assert pattern(versions) == pattern(recorded_versions)

    with_api(use)


def pattern(values: list[str]) -> list[int]:
    """Where each value first appeared."""
    return [values.index(value) for value in values]


@pytest.mark.parametrize("number", sorted(OF_OTHERS))
def test_refusals_by_who_asks_have_the_recorded_bodies(number: int) -> None:
    async def use(api: Api) -> None:
        recorded = ANSWERS[number]
        api.world.add_fault(KubernetesFault(target="kubernetes", effect="status", code=recorded["code"], calls=1))
        answer = await api.send(number)
        assert answer.status_code == recorded["code"]
        anyone = re.compile(r'User \\"[^"]*\\"')
        bodies = [anyone.sub("User", json.dumps(body)) for body in (answer.json(), recorded["body"])]
        assert json.loads(bodies[0]) == json.loads(bodies[1])

    with_api(use)


async def watched(api: Api, number: int, meanwhile: int | None = None) -> list[Any]:
    """The lines of a watch as it was recorded, with another request one second after its beginning."""
    task = asyncio.create_task(api.send(number))
    await asyncio.sleep(0.01)
    for second in range(8):
        api.advance(1.0)
        if second == 0 and meanwhile is not None:
            await api.send(meanwhile)
        await asyncio.sleep(0)
        if task.done():
            break
    answer = await asyncio.wait_for(task, 30)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_watch_sends_the_change_and_a_bookmark_and_ends() -> None:
    async def use(api: Api) -> None:
        request = REQUESTS[62]
        version = (await api.client.get(request["path"].split("?")[0])).json()["metadata"]["resourceVersion"]
        REQUESTS[62] = request | {"path": request["path"].replace("8142", version)}
        lines = await watched(api, 62, meanwhile=63)
        REQUESTS[62] = request
        assert [line["type"] for line in lines] == [line["type"] for line in LINES[62]]
        change, bookmark = lines
        assert bookmark["object"].keys() == LINES[62][1]["object"].keys()
        assert bookmark["object"]["metadata"] == {"resourceVersion": change["object"]["metadata"]["resourceVersion"]}

    with_api(use)


def test_a_watch_with_initial_events_marks_their_end() -> None:
    async def use(api: Api) -> None:
        lines = await watched(api, 64)
        assert [line["type"] for line in lines] == [line["type"] for line in LINES[64]]
        metadata = lines[1]["object"]["metadata"]
        assert metadata["annotations"] == LINES[64][1]["object"]["metadata"]["annotations"]
        assert int(metadata["resourceVersion"]) == api.world.store.revision

    with_api(use)


@pytest.mark.parametrize("number", [65, 66, 68])
def test_a_watch_without_a_version_sends_the_state_and_one_of_the_future_nothing(number: int) -> None:
    async def use(api: Api) -> None:
        lines = await watched(api, number)
        assert [line["type"] for line in lines] == [line["type"] for line in LINES[number]]

    with_api(use)


def test_a_watch_from_an_ancient_version_answers_200_and_then_410() -> None:
    async def use(api: Api) -> None:
        assert comparable(await watched(api, 67)) == comparable(LINES[67])

    with_api(use)


def test_a_version_that_is_no_number_answers_500() -> None:
    async def use(api: Api) -> None:
        answer = await api.send(69)
        assert (answer.status_code, answer.json()) == (500, ANSWERS[69]["body"])

    with_api(use)


def test_lists_of_a_forgotten_past_answer_410() -> None:
    async def use(api: Api) -> None:
        exact, continued = await api.send(71), await api.send(72)
        assert (exact.status_code, exact.json()) == (410, ANSWERS[71]["body"])
        body, recorded = continued.json(), ANSWERS[72]["body"]
        assert body["metadata"].keys() == recorded["metadata"].keys()
        assert body | {"metadata": {}} == recorded | {"metadata": {}}

    with_api(use)


def test_lists_and_watches_of_a_past_that_is_remembered_are_answered_from_it() -> None:
    async def use(api: Api) -> None:
        listed = (await api.send(73)).json()
        assert (listed["items"], listed["metadata"]) == ([], {"resourceVersion": api.old})
        lines = await watched(api, 74)
        types = [line["type"] for line in lines]
        assert types[:2] == ["ADDED", "MODIFIED"]
        assert set(types) == {line["type"] for line in LINES[74]}
        versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in lines]
        assert versions == sorted(versions)

    with_api(use)
