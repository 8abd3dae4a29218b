import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from serinus_console.adapters.kubernetes import Kubernetes, connect
from serinus_console.use_cases.ports import DirectoryError, Person

pytestmark = pytest.mark.anyio
SERVER = "https://api.example.com:6443"


def config(folder: Path, user: dict[str, Any], **cluster: Any) -> str:
    document = {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "broken", "context": {"cluster": "none", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": SERVER} | cluster}],
        "users": [{"name": "u", "user": user}],
    }
    (folder / "config").write_text(yaml.safe_dump(document))
    return str(folder / "config")


async def sent(client: httpx.AsyncClient) -> str:
    """The Authorization header of a request."""
    request = client.build_request("POST", "/")
    if isinstance(client.auth, httpx.Auth):
        next(client.auth.auth_flow(request))
    return str(request.headers.get("authorization", ""))


async def test_a_token_of_the_kubeconfig_or_of_its_file_is_sent_and_read_anew_each_time(tmp_path: Path) -> None:
    client = connect(config(tmp_path, {"token": "abc"}), "")
    assert (str(client.base_url), await sent(client)) == (SERVER, "Bearer abc")
    config(tmp_path, {"token": "def"})
    assert await sent(client) == "Bearer def"
    (tmp_path / "token").write_text("one\n")
    client = connect(config(tmp_path, {"tokenFile": "token"}), "")
    assert await sent(client) == "Bearer one"
    (tmp_path / "token").write_text("two")
    assert await sent(client) == "Bearer two"


@pytest.mark.parametrize(
    ("user", "cluster", "context", "why"),
    [
        ({"exec": {"command": "login"}}, {}, "", "a user that runs a command is not supported"),
        ({"client-certificate-data": "eA=="}, {}, "", "client certificates are wanted as files"),
        ({}, {}, "elsewhere", "no access to a cluster"),
        ({}, {}, "broken", "no access to a cluster"),
        ({}, {"certificate-authority": "missing.crt"}, "", "no access to a cluster"),
        ({}, {"certificate-authority-data": base64.b64encode(b"x").decode()}, "", "no access to a cluster"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused_with_why(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], context: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        connect(config(tmp_path, user, **cluster), context)


def test_outside_a_pod_a_kubeconfig_is_asked_for() -> None:
    with pytest.raises(ValueError, match="set SERINUS_KUBECONFIG, or run as a pod"):
        connect("", "")


def directory(status: int, body: Any) -> Kubernetes:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body)

    client = httpx.AsyncClient(base_url=SERVER, transport=httpx.MockTransport(answer))
    return Kubernetes(client, "serinus-console")


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


@pytest.mark.parametrize(("status", "body"), [(500, {}), (403, {}), (201, {}), (201, []), (201, "no")])
async def test_an_answer_that_tells_nothing_is_an_error_not_a_right(status: int, body: Any) -> None:
    with pytest.raises(DirectoryError, match="SubjectAccessReview"):
        await directory(status, body).may_act(Person("a"), "shop", "x")
