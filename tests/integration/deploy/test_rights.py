"""What each user of Redis may do, and nothing else: the table of deploy/redis/README.md, asked of Redis itself."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.guarded import ADMIN, SERVICES, SHIPPED, addresses, users_file
from tests.servers import RedisServer, redis_binary
from tests.topologies import started

README = SHIPPED.parent / "README.md"
Server = tuple[RedisServer, Mapping[str, str]]
READS = "xread xrange xrevrange xlen xpending xinfo|stream xinfo|groups"
GROUP = "xreadgroup xack xpending xclaim xgroup|create xinfo|groups"
# Of what a service uses, and of what does harm: how it is asked about a key.
USED = """
del K|evalsha d 1 K|exists K|expire K 1|get K|hdel K a|hexists K a|hget K a|hgetall K|hincrby K a 1|hmget K a|hset K a b
hsetnx K a b|incrby K 1|lrange K 0 1|rpush K a|rpushx K a|set K a|xack K g 1|xadd K * a b|xclaim K g c 1 1-0
xgroup create K g 0|xinfo groups K|xinfo stream K|xlen K|xpending K g|xrange K - +|xread STREAMS K 0
xreadgroup GROUP g c STREAMS K >|xrevrange K + -|xtrim K MAXLEN 1|zadd K 1 a|zcard K|zrange K 0 1|zrangebyscore K 0 1
zrem K a|zremrangebyscore K 0 1|zscore K a
"""
HARMFUL = """
append K a|copy K K|dump K|eval x 1 K|eval_ro x 1 K|fcall f 1 K|getdel K|getset K a|hkeys K|hvals K|lpop K|ltrim K 1 0
object encoding K|persist K|pexpireat K 1|rename K K|restore K 0 x|setrange K 0 a|sort K|type K|unlink K
xautoclaim K g c 1 0|xdel K 1-0|xgroup delconsumer K g c|xgroup destroy K g|xgroup setid K g 0|xinfo consumers K g
xsetid K 1-0|zpopmin K|zrangestore K K 0 1
"""
KEYLESS = """
acl list|bgrewriteaof|client kill 1|client list|client pause 1|cluster reset|config get a|config set a b|dbsize
debug object a|failover|flushall|flushdb|function load x|keys *|latency reset|module list|monitor|publish a b
randomkey|replicaof a 1|save|scan 0|script flush|script kill|shutdown|slowlog get|subscribe a|swapdb 0 1|eval x 0
"""
ALLOWED = {"script load x": {"collector", "analyzer", "controller", "notifier", "operator"},
           "info": {"analyzer", "controller", "notifier", "operator"},
           "time": {"collector", "controller", "notifier", "operator"}, "multi": {"reader", "operator"},
           "exec": {"reader", "operator"}, "ping": set(SERVICES)}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    with started(RedisServer(redis_binary(), folder, aclfile=str(users_file(folder, ADMIN)))) as server:
        yield server, addresses(server.url)


def listed(text: str) -> list[str]:
    return [one for line in text.split("\n") for one in line.strip().split("|") if one]


def name(command: str) -> str:
    """As rules name it: xinfo|groups."""
    first, second = [*command.split(), ""][:2]
    return f"{first}|{second}" if first in ("xinfo", "xgroup", "object") else first


def told() -> dict[tuple[str, str], set[str]]:
    """By user and key, the commands that the table gives."""
    rows = [
        re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in README.read_text().splitlines() if line.startswith("| `")
    ]
    rows = [row for row in rows if len(row) == 1 + len(SERVICES)]
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, *cells in rows:
        for user, cell in zip(SERVICES, cells, strict=True):
            words = cell.replace("*reads*", READS).replace("*group*", GROUP).replace("\\|", "|").split()
            found[user, key.strip("`")] |= set(words)
            if user not in ("reader", "operator"):
                found[user, key.strip("`")].add("evalsha")
    for (user, key), words in list(found.items()):
        if user == "reader":
            found["operator", key] |= words
    return found


def asked(server: RedisServer, user: str, commands: list[str]) -> list[bool]:
    """Whether the user may, by the rules alone; nothing is done."""
    with (
        Redis(port=server.port, username="admin", password="admin") as admin,
        admin.pipeline(transaction=False) as pipe,
    ):
        for command in commands:
            pipe.execute_command("ACL DRYRUN", f"serinus-{user}", *command.split())
        answers = [answer.decode() for answer in pipe.execute()]
    assert all(answer == "OK" or "no permissions" in answer for answer in answers), set(answers)
    return [answer == "OK" for answer in answers]


@pytest.mark.parametrize("user", SERVICES)
def test_a_user_may_do_what_the_table_says_and_nothing_else(guarded: Server, user: str) -> None:
    server, _ = guarded
    table = told()
    keys = sorted({key for _, key in table})
    assert len(keys) == 23
    commands = listed(USED) + listed(HARMFUL)
    places = {key: "{serinus}:" + key.replace("*", "one") for key in keys}
    places |= {"another kind": "{serinus}:doctor", "another tag": "{other}:run:one", "no tag": "run:one"}
    every = [(key, command) for key in places for command in commands]
    answers = asked(server, user, [" ".join(places[key] if word == "K" else word for word in command.split())
                                   for key, command in every])  # fmt: skip
    may = {(key, name(command)) for (key, command), yes in zip(every, answers, strict=True) if yes}
    anywhere = {"evalsha"} if user not in ("reader", "operator") else set()
    expected = {(key, word) for key in keys for word in table[user, key]} | {("another kind", one) for one in anywhere}
    assert may == expected
    plain = [*listed(KEYLESS), *ALLOWED]
    allowed = {one for one, yes in zip(plain, asked(server, user, plain), strict=True) if yes}
    assert allowed == {one for one, users in ALLOWED.items() if user in users}


def test_no_right_is_given_that_is_not_asked_about() -> None:
    given = set(re.findall(r"\+([\w|@-]+)", SHIPPED.read_text().partition("\n")[2]))
    known = {name(command) for command in listed(USED)} | {"script|load", "time", "info", "multi", "exec"}
    assert given - {"@connection", "cluster|slots", "cluster|shards"} <= known


def test_a_script_does_nothing_that_its_user_may_not(guarded: Server) -> None:
    _, urls = guarded
    attempts: list[tuple[str, str, str]] = [
        ("notifier", "verdicts", "redis.call('SET', KEYS[1], 'v')"),
        (
            "notifier",
            "verdicts",
            "redis.call('XREADGROUP', 'GROUP', 'controller:default', 'a', 'STREAMS', KEYS[1], '>')",
        ),
        ("notifier", "verdicts", "redis.call('XACK', KEYS[1], 'controller:default', '1-0')"),
        ("collector", "run:one", "redis.call('HSET', KEYS[1], 'plan', 'another')"),
        ("analyzer", "snapshots", "redis.call('EXPIRE', KEYS[1], 1)"),
        ("controller", "verdicts", "redis.call('XADD', KEYS[1], '*', 'ce', '{}')"),
        ("operator", "due", "redis.call('DEL', KEYS[1])"),
    ]
    for user, key, script in attempts:
        with Redis.from_url(urls[user]) as client:
            loaded: Any = client.script_load(script)
            with pytest.raises(RedisError, match=r"(?i)acl failure|user executing the script can't"):
                client.evalsha(loaded, 1, f"{{serinus}}:{key}")
    with Redis.from_url(urls["admin"]) as admin:
        assert admin.keys("*") == []
