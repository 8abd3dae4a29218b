from typing import Any

import pytest
from serinus_console.adapters.kubernetes import Kubernetes
from serinus_console.use_cases.ports import DirectoryError, Person
from serinus_rollouts.kubernetes.api import ClusterError

pytestmark = pytest.mark.anyio


class Server:
    """Answers every request with one answer."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body

    async def request(self, method: str, path: str, *, body: Any) -> Any:
        if self.status >= 400:
            raise ClusterError(f"{method} {path}: {self.status} of {body}", self.status)
        return self.body


def directory(status: int, body: Any) -> Kubernetes:
    api: Any = Server(status, body)
    return Kubernetes(api, "serinus-console")


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": "true", "audiences": ["serinus-console"], "user": {"username": "a"}},
        {"authenticated": True, "user": {"username": "a"}},
        {"authenticated": True, "audiences": ["other"], "user": {"username": "a"}},
        {"authenticated": True, "audiences": ["serinus-console"], "user": {}},
    ],
)
async def test_whoever_is_not_authenticated_for_our_audience_is_nobody(status: dict[str, Any]) -> None:
    assert await directory(201, {"status": status}).person("t") is None


async def test_a_right_that_is_denied_is_none_even_if_allowed() -> None:
    assert not await directory(201, {"status": {"allowed": True, "denied": True}}).may_act(Person("a"), "shop", "x")


@pytest.mark.parametrize(("status", "body"), [(500, {}), (403, {}), (201, {}), (201, {"status": None})])
async def test_an_answer_that_tells_nothing_is_an_error_not_a_right(status: int, body: Any) -> None:
    with pytest.raises(DirectoryError, match="SubjectAccessReview"):
        await directory(status, body).may_act(Person("a"), "shop", "x")


async def test_what_nobody_could_be_asked_about_is_not_told_with_the_token() -> None:
    with pytest.raises(DirectoryError) as refused:
        await directory(422, {}).person("secret-token")
    assert str(refused.value) == "TokenReview: the API server answers 422"
