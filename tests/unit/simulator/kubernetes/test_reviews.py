from __future__ import annotations

from typing import Any

import pytest
from serinus_simulator.kubernetes.reviews import API_SERVER

from tests.unit.simulator.web import Web, run
from tests.unit.simulator.worlds import Handled

PEOPLE: list[dict[str, Any]] = [
    {"name": "alice", "token": "t-alice", "audiences": ["serinus-console"], "groups": ["sre"], "may": ["shop"]},
    {"name": "brief", "token": "t-brief", "audiences": ["serinus-console"], "expires": "3s"},
    {"name": "carol", "token": "t-carol"},
]
RIGHT = {"verb": "patch", "group": "argoproj.io", "resource": "rollouts", "subresource": "status", "namespace": "shop"}


async def review(web: Web, token: str, *audiences: str) -> dict[str, Any]:
    body = {"spec": {"token": token, "audiences": list(audiences)}}
    answer = await web.client.post("/apis/authentication.k8s.io/v1/tokenreviews", json=body)
    assert answer.status_code == 201
    status: dict[str, Any] = answer.json()["status"]
    return status


async def access(web: Web, user: str, **other: str) -> bool:
    body = {"spec": {"user": user, "resourceAttributes": RIGHT | other}}
    answer = await web.client.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=body)
    return bool(answer.json()["status"]["allowed"])


def test_a_token_is_somebodys_for_its_audiences() -> None:
    async def use(web: Web) -> None:
        status = await review(web, "t-alice", "serinus-console")
        assert (status["authenticated"], status["audiences"]) == (True, ["serinus-console"])
        assert (status["user"]["username"], status["user"]["groups"]) == ("alice", ["sre"])
        assert (await review(web, "t-carol"))["audiences"] == [API_SERVER]

    run(use, Handled({"people": PEOPLE}))


@pytest.mark.parametrize(("token", "audience"), [("forged", "serinus-console"), ("t-carol", "serinus-console")])
def test_a_token_that_is_forged_or_for_others_is_nobodys(token: str, audience: str) -> None:
    async def use(web: Web) -> None:
        status = await review(web, token, audience)
        assert "authenticated" not in status
        assert "invalid bearer token" in status["error"]

    run(use, Handled({"people": PEOPLE}))


def test_a_token_expires() -> None:
    async def use(web: Web) -> None:
        assert "authenticated" not in await review(web, "t-brief", "serinus-console")  # the world has stood for 5 s

    run(use, Handled({"people": PEOPLE}))


def test_a_right_is_for_a_namespace_and_for_patching_the_status() -> None:
    async def use(web: Web) -> None:
        assert await access(web, "alice")
        assert not await access(web, "alice", namespace="bank")
        assert not await access(web, "alice", verb="delete")
        assert not await access(web, "alice", subresource="")
        assert not await access(web, "carol")
        assert not await access(web, "nobody")

    run(use, Handled({"people": PEOPLE}))


def test_what_is_no_review_is_refused() -> None:
    async def use(web: Web) -> None:
        answer = await web.client.post("/apis/authentication.k8s.io/v1/tokenreviews", content=b"[]")
        assert (answer.status_code, answer.json()["kind"]) == (400, "Status")

    run(use, Handled({"people": PEOPLE}))
