"""Who may act: tokens and rights reviewed by a (simulated) API server over real HTTP; sessions, forms, proxies."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from serinus_console.settings import ConsoleSettings
from serinus_console.use_cases.limits import Limiter
from serinus_contracts import CommandIssued, Keys, from_entry
from serinus_simulator.configs import kubeconfig

from tests.consoles import BEARER, TOKEN, Served, Teller, served
from tests.servers import free_port
from tests.simulated import World, scenario, simulated
from tests.support import RUN

pytestmark = pytest.mark.anyio
Start = Callable[..., Any]
PAGE, COMMANDS = f"/runs/{RUN.id}", f"/v1/runs/{RUN.id}/commands"
VERBS = ["approve", "advance", "abort", "hold", "resume", "retry", "override"]
OURS = {"audiences": ["serinus-console"]}
PEOPLE = [
    {"name": "alice", "token": "t-alice", "groups": ["sre"], "may": ["shop"], **OURS},
    {"name": "bob", "token": "t-bob", "may": ["bank"], **OURS},
    {"name": "brief", "token": "t-brief", "may": ["shop"], "expires": "0s", **OURS},
    {"name": "carol", "token": "t-carol", "may": ["shop"]},
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with simulated(tmp_path_factory.mktemp("world"), scenario(people=PEOPLE)) as made:
        yield made


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a client may do in a minute: a busy machine needs seconds to do it."""
    monkeypatch.setattr("serinus_console.bootstrap.Limiter", lambda a_minute, _: Limiter(a_minute, lambda: 0.0))


@pytest.fixture
async def console(redis_url: str, keys: Keys, teller: Teller, world: World) -> AsyncIterator[Served]:
    """One that asks the API server about everybody."""
    await teller.live()
    settings: dict[str, Any] = {"auth": "kubernetes", "cluster": RUN.cluster, "kubeconfig": str(world.kubeconfig)}
    async with served(redis_url, keys, **settings) as made:
        await made.until("/v1/runs", RUN.uid)
        yield made


async def commands(teller: Teller) -> list[CommandIssued]:
    entries: Any = await teller.client.xrange(teller.keys.stream("commands"))
    return [from_entry(CommandIssued, fields).data for _, fields in entries]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_who_may_patch_the_rollouts_status_may_act_and_is_named_with_groups(
    console: Served, teller: Teller
) -> None:
    answer = await console.post(COMMANDS, json={"verb": "abort", "reason": "bad"}, headers=bearer("t-alice"))
    assert answer.status_code == 202, answer.text
    (sent,) = await commands(teller)
    assert (sent.actor, sent.groups, sent.verified, sent.verb) == ("alice", ("sre",), True, "abort")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_token_without_the_right_is_refused_every_command_and_may_still_read(
    console: Served, teller: Teller, verb: str
) -> None:
    answer = await console.post(COMMANDS, json={"verb": verb}, headers=bearer("t-bob"))
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert "bob may not patch rollouts/status of shop/checkout" in answer.json()["detail"]
    assert await commands(teller) == []
    for path in ("/v1/runs", PAGE, "/"):
        assert (await console.get(path, headers=bearer("t-bob"))).status_code == 200


@pytest.mark.parametrize("token", ["t-forged", "t-brief", "t-carol"], ids=["forged", "expired", "foreign audience"])
async def test_a_token_that_is_no_good_is_nobodys(console: Served, teller: Teller, token: str) -> None:
    answer = await console.post(COMMANDS, json={"verb": "abort"}, headers=bearer(token))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="serinus"')
    assert await commands(teller) == []


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer"])
async def test_without_a_bearer_token_nobody_acts(console: Served, teller: Teller, header: str) -> None:
    headers = {"authorization": header} if header else {}
    assert (await console.post(COMMANDS, json={"verb": "abort"}, headers=headers)).status_code == 401
    assert await commands(teller) == []


async def test_when_nobody_can_be_asked_nobody_acts(redis_url: str, keys: Keys, teller: Teller, tmp_path: Path) -> None:
    await teller.live()
    (tmp_path / "config").write_text(kubeconfig(f"http://127.0.0.1:{free_port()}"))
    settings: dict[str, Any] = {"auth": "kubernetes", "cluster": RUN.cluster, "kubeconfig": str(tmp_path / "config")}
    async with served(redis_url, keys, **settings) as console:
        await console.until("/v1/runs", RUN.uid)
        answer = await console.post(COMMANDS, json={"verb": "abort"}, headers=bearer("t-alice"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "127.0.0.1" not in answer.text
        assert (await console.get(PAGE, headers=bearer("t-alice"))).status_code == 200
    assert await commands(teller) == []


async def test_rights_of_one_cluster_are_no_rights_in_another(
    redis_url: str, keys: Keys, teller: Teller, world: World
) -> None:
    await teller.live()
    settings: dict[str, Any] = {"auth": "kubernetes", "cluster": "west", "kubeconfig": str(world.kubeconfig)}
    async with served(redis_url, keys, **settings) as console:
        await console.until("/v1/runs", RUN.uid)
        answer = await console.post(COMMANDS, json={"verb": "abort"}, headers=bearer("t-alice"))
    assert (answer.status_code, await commands(teller)) == (403, [])


async def test_a_person_who_sends_too_much_has_to_wait(
    start: Start, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await teller.live()
    monkeypatch.setattr("serinus_console.bootstrap.COMMANDS_A_MINUTE", 3)
    console = await start(auth="token")
    await console.until("/v1/runs", RUN.uid)
    answers = [await console.post(COMMANDS, json={"verb": "hold"}, headers=BEARER) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert 0 < int(answers[3].headers["retry-after"]) <= 20


async def test_a_console_is_read_only_unless_it_is_told_otherwise(start: Start, teller: Teller) -> None:
    await teller.live()
    console = await start()
    await console.until("/v1/runs", RUN.uid)
    assert (await console.post(COMMANDS, json={"verb": "abort"}, headers=BEARER)).status_code == 403
    assert (await console.post(PAGE, data={"verb": "abort"})).status_code == 403
    assert (await console.get("/login")).status_code == 404
    spoof = {"x-forwarded-user": "alice", "sec-fetch-site": "same-origin"}
    assert (await console.post(COMMANDS, json={"verb": "abort"}, headers=spoof)).status_code == 403
    assert await commands(teller) == []


# In the browser

SAME = {"sec-fetch-site": "same-origin"}


async def sign_in(console: Served, token: str) -> httpx.Response:
    form = {"token": token, "next": PAGE}
    return await console.post("/login", data=form, headers=SAME)


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found
    return found[1]


async def test_who_signed_in_acts_by_a_form_and_sees_it_asked_for(console: Served, teller: Teller) -> None:
    answer = await sign_in(console, "t-alice")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page = await console.get(PAGE)
    assert "Signed in as alice. Actions are logged." in page.text
    form = {"verb": "abort", "reason": "bad", "csrf": form_token(page), "step": "1"}
    answer = await console.post(PAGE, data=form, headers=SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    (sent,) = await commands(teller)
    assert (sent.actor, sent.groups, sent.reason) == ("alice", ("sre",), "bad")
    assert "abort requested" in (await console.get(PAGE)).text


async def test_the_cookie_is_for_this_site_only_and_neither_it_nor_redis_alone_tells_the_token(
    console: Served, teller: Teller
) -> None:
    cookie = (await sign_in(console, "t-alice")).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "t-alice" not in cookie
    (key,) = [key async for key in teller.client.scan_iter(f"{{{teller.keys.tag}}}:session:*")]
    kept = await teller.client.get(key)
    assert b"t-alice" not in (kept or b"")
    assert console.http.cookies["serinus_session"].encode() not in key + (kept or b"")
    assert 0 < await teller.client.ttl(key) <= 8 * 3600


@pytest.mark.parametrize("proxies", ["", "127.0.0.0/8"])
async def test_behind_a_named_proxy_with_tls_the_cookie_is_sent_by_tls_only(start: Start, proxies: str) -> None:
    console = await start(auth="token", trusted_proxies=proxies)
    https = SAME | {"x-forwarded-proto": "https"}
    cookie = (await console.post("/login", data={"token": TOKEN}, headers=https)).headers["set-cookie"]
    assert ("Secure" in cookie) == cookie.startswith("__Host-serinus_session=") == bool(proxies)
    assert "Path=/;" in cookie
    sent = {"cookie": cookie.partition(";")[0]}
    assert "Sign out" in (await console.get("/", headers=https | sent)).text
    planted = {"cookie": sent["cookie"].replace("__Host-", "")}
    assert ("Sign out" in (await console.get("/", headers=https | planted)).text) == (not proxies)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
async def test_what_another_sites_page_sends_is_refused(
    console: Served, teller: Teller, headers: dict[str, str]
) -> None:
    await sign_in(console, "t-alice")
    csrf = form_token(await console.get(PAGE))
    form = {"verb": "abort", "csrf": csrf}
    assert (await console.post(PAGE, data=form, headers=headers)).status_code == 403
    assert (await console.post(COMMANDS, json={"verb": "abort"}, headers=headers)).status_code == 403
    assert (await console.post("/login", data={"token": "t-bob"}, headers=headers)).status_code == 403
    assert (await console.post("/logout", data={"csrf": csrf}, headers=headers)).status_code == 403
    assert await commands(teller) == []


@pytest.mark.parametrize("csrf", ["", "0" * 64])
async def test_a_form_that_our_page_did_not_make_is_refused(console: Served, teller: Teller, csrf: str) -> None:
    await sign_in(console, "t-alice")
    assert (await console.post(PAGE, data={"verb": "abort", "csrf": csrf}, headers=SAME)).status_code == 403
    assert await commands(teller) == []


async def test_who_has_no_right_is_told_so_beside_the_button_and_refused_if_it_is_pressed_anyway(
    console: Served, teller: Teller
) -> None:
    await sign_in(console, "t-bob")
    page = await console.get(PAGE)
    assert "bob may not patch rollouts/status in shop" in page.text
    form = {"verb": "abort", "csrf": form_token(page)}
    answer = await console.post(PAGE, data=form, headers=SAME)
    assert (answer.status_code, await commands(teller)) == (403, [])
    assert "may not patch" in answer.text


@pytest.mark.parametrize("token", ["t-forged", "t-brief", "t-carol"])
async def test_a_bad_token_signs_nobody_in(console: Served, token: str) -> None:
    answer = await sign_in(console, token)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "invalid or expired token" in answer.text
    assert token not in answer.text


async def test_signing_out_ends_the_session_everywhere(console: Served, teller: Teller) -> None:
    await sign_in(console, "t-alice")
    stolen = console.http.cookies["serinus_session"]
    csrf = form_token(await console.get(PAGE))
    assert (await console.post("/logout", data={"csrf": csrf}, headers=SAME)).status_code == 303
    cookie = {"cookie": f"serinus_session={stolen}"}
    answer = await console.post(PAGE, data={"verb": "abort", "csrf": csrf}, headers=SAME | cookie)
    assert (answer.status_code, await commands(teller)) == (401, [])


async def test_a_session_that_was_made_up_is_nobodys(console: Served, teller: Teller) -> None:
    for cookie in ("x", "A" * 44, "%00"):
        headers = SAME | {"cookie": f"serinus_session={cookie}"}
        assert (await console.post(PAGE, data={"verb": "abort"}, headers=headers)).status_code == 401
        assert (await console.get(PAGE, headers=headers)).status_code == 200
    assert await commands(teller) == []


async def test_signing_in_leads_to_no_other_site(start: Start) -> None:
    console = await start(auth="token")
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "/\n"):
        answer = await console.post("/login", data={"token": TOKEN, "next": elsewhere}, headers=SAME)
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), elsewhere


async def test_guessing_tokens_is_slow(no_time_passes: None, start: Start) -> None:
    console = await start(auth="token")
    answers = [await console.post("/login", data={"token": "guess"}, headers=SAME) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]


async def test_who_sends_many_bad_tokens_has_to_wait_whatever_it_says_of_where_it_comes_from(
    no_time_passes: None, start: Start, teller: Teller
) -> None:
    await teller.live()
    console = await start(auth="token")
    await console.until("/v1/runs", RUN.uid)
    statuses = []
    for number in range(31):
        headers = bearer(f"guess-{number}") | {"x-forwarded-for": f"10.0.0.{number}"}
        statuses.append((await console.post(COMMANDS, json={"verb": "hold"}, headers=headers)).status_code)
    assert statuses == [401] * 30 + [429]


@pytest.mark.parametrize(
    "headers",
    [
        [("x-forwarded-user", "alice"), ("x-forwarded-user", "proxied")],
        [("x-forwarded-user", "alice"), ("x-forwarded-groups", "sre"), ("x-forwarded-groups", "none")],
        [("x-forwarded-user", "system:admin"), ("x-forwarded-groups", "sre")],
        [("x-forwarded-user", "alice"), ("x-forwarded-groups", "sre, system:masters")],
    ],
    ids=["two users", "two groups", "user of the cluster", "group of the cluster"],
)
async def test_what_a_proxy_did_not_replace_and_identities_of_the_cluster_are_nobodys(
    redis_url: str, keys: Keys, teller: Teller, world: World, headers: list[tuple[str, str]]
) -> None:
    await teller.live()
    async with served(redis_url, keys, **_behind_a_proxy(world, "127.0.0.1")) as console:
        await console.until("/v1/runs", RUN.uid)
        answer = await console.post(COMMANDS, json={"verb": "hold"}, headers=[*SAME.items(), *headers])
    assert answer.status_code == 401
    assert await commands(teller) == []


async def test_who_is_no_named_proxy_says_nothing_about_who_asks(
    redis_url: str, keys: Keys, teller: Teller, world: World
) -> None:
    await teller.live()
    async with served(redis_url, keys, **_behind_a_proxy(world, "10.0.0.0/8,fd00::/8")) as console:
        await console.until("/v1/runs", RUN.uid)
        headers = SAME | {"x-forwarded-user": "alice", "x-forwarded-groups": "sre"}
        assert (await console.post(COMMANDS, json={"verb": "hold"}, headers=headers)).status_code == 401
    assert await commands(teller) == []


def test_identity_from_a_proxy_wants_the_proxys_addresses() -> None:
    with pytest.raises(ValidationError, match="SERINUS_TRUSTED_PROXIES"):
        ConsoleSettings(auth="proxy")
    with pytest.raises(ValidationError, match="does not appear to be an IPv4 or IPv6 network"):
        ConsoleSettings(auth="proxy", trusted_proxies=("ingress",))


def _behind_a_proxy(world: World, proxies: str) -> dict[str, Any]:
    kubeconfig_file = str(world.kubeconfig)
    return {"auth": "proxy", "cluster": RUN.cluster, "kubeconfig": kubeconfig_file, "trusted_proxies": proxies}


async def test_behind_a_proxy_its_headers_say_who_asks_and_the_cluster_whether_they_may(
    redis_url: str, keys: Keys, teller: Teller, world: World
) -> None:
    await teller.live()
    async with served(redis_url, keys, **_behind_a_proxy(world, "127.0.0.1")) as console:
        await console.until("/v1/runs", RUN.uid)
        alice = {"x-forwarded-user": "alice", "x-forwarded-groups": "sre, oncall"}
        assert (await console.post(PAGE, data={"verb": "hold"}, headers=SAME)).status_code == 401
        assert (await console.post(PAGE, data={"verb": "hold"}, headers=alice)).status_code == 403
        cross = alice | {"sec-fetch-site": "cross-site"}
        assert (await console.post(PAGE, data={"verb": "hold"}, headers=cross)).status_code == 403
        bob = SAME | {"x-forwarded-user": "bob"}
        assert (await console.post(PAGE, data={"verb": "hold"}, headers=bob)).status_code == 403
        assert (await console.post(PAGE, data={"verb": "hold"}, headers=SAME | alice)).status_code == 303
    (sent,) = await commands(teller)
    assert (sent.actor, sent.groups) == ("alice", ("sre", "oncall"))
