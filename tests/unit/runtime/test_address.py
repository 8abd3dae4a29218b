import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import parse_url
from serinus_runtime.address import parse, with_password


def test_one_server_is_as_redis_py_reads_it() -> None:
    found = parse("redis://user:p%40ss@cache:6380/2")
    assert (found.kind, found.hosts, found.url) == ("server", (("cache", 6380),), "redis://user:p%40ss@cache:6380/2")


def test_ports_are_those_that_people_use_unless_told() -> None:
    assert parse("redis://cache").hosts == (("cache", 6379),)
    assert parse("redis+sentinel://a,b:1/mymaster").hosts == (("a", 26379), ("b", 1))


def test_sentinels_name_their_master_and_have_a_password_of_their_own() -> None:
    found = parse("rediss+sentinel://u:p@a,b/mymaster/1?sentinel_password=s&ssl_ca_certs=/ca.crt")
    assert (found.kind, found.master, dict(found.sentinel)) == ("sentinel", "mymaster", {"password": "s"})
    assert found.url == "rediss://u:p@a:26379/1?ssl_ca_certs=%2Fca.crt"


def test_a_cluster_is_found_by_any_of_its_nodes() -> None:
    found = parse("redis+cluster://a:1,[::1]:2")
    assert (found.kind, found.hosts) == ("cluster", (("a", 1), ("::1", 2)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cache:6379", "write redis://"),
        ("http://cache", "write redis://"),
        ("redis+ring://cache", "write redis://"),
        ("redis://a,b", "Sentinels or a Cluster"),
        ("redis+sentinel://a", "name of their master"),
        ("redis://a/x", "a number"),
        ("redis+cluster://a/1", "only database 0"),
        ("redis://", "name:port"),
        ("redis://a:99999", "name:port"),
        ("redis://u:planted@a:b", "name:port"),
        ("redis://u:1/planted@a:1", "in a password are written"),
        ("redis://u:1#planted@a:1", "in a password are written"),
        ("redis://u:1?planted@a:1", "in a password are written"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write_and_without_the_password(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        parse(text)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["redis://me@cache:6380/2", "rediss+sentinel://me@a,b/mymaster", "redis+cluster://me@a"]
)
@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_password_beside_the_address_reaches_redis_as_it_is(address: str, password: str) -> None:
    found = parse_url(parse(with_password(address, password)).url)
    assert (found["username"], found["password"]) == ("me", password)


def test_a_password_in_the_address_goes_before_one_beside_it() -> None:
    assert with_password("redis://me:mine@cache", "other") == "redis://me:mine@cache"
    assert with_password("redis://cache", "") == "redis://cache"


def test_a_password_without_a_user_is_the_default_users() -> None:
    assert parse_url(parse(with_password("redis://cache", "a@b")).url)["password"] == "a@b"
