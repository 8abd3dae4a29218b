"""Where Redis is, in one line that services and commands understand alike.

| address | means |
|---|---|
| `redis://user:password@host:6379/0` | one server |
| `redis+sentinel://host:26379,host:26379/mymaster` | the master that Sentinels name; `/mymaster/1`: database 1 |
| `redis+cluster://host:6379,host:6379` | a Cluster, found by any of its nodes |

`rediss` in place of `redis` is TLS. Options of redis-py stand behind `?`, as `ssl_ca_certs=/etc/redis/ca.pem`,
`ssl_certfile` and `ssl_keyfile`; `sentinel_username` and `sentinel_password` are for the Sentinels themselves.
In an address, characters such as `/` in a password are written as in any: `%2F`. Given apart, it is taken as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pydantic import AfterValidator
from redis.asyncio.connection import parse_url

Kind = Literal["server", "sentinel", "cluster"]
FORMS = "redis://host:6379/0, redis+sentinel://host:26379/mymaster or redis+cluster://host:6379, rediss for TLS"
ENCODED = "characters such as / # ? in a password are written %2F %23 %3F, or give it by SERINUS_REDIS_PASSWORD"
_PORTS: Mapping[Kind, int] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_KINDS: Mapping[str, Kind] = {"": "server", "sentinel": "sentinel", "cluster": "cluster"}


@dataclass(frozen=True)
class Address:
    """A parsed address. `url` is what redis-py reads: it names the first host, and holds user, password and options."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    url: str
    master: str
    sentinel: Mapping[str, str]


def with_password(text: str, password: str) -> str:
    """The address with this password, of any characters, where it has none itself."""
    scheme, separator, rest = text.partition("://")
    user, _, place = rest.rpartition("@")
    if not password or ":" in user:
        return text
    return f"{scheme}{separator}{user}:{quote(password, safe='')}@{place}"


def parse(text: str) -> Address:
    """Raises ValueError saying what is wrong, without the password."""
    scheme, separator, rest = text.partition("://")
    base, _, suffix = scheme.partition("+")
    if not separator or base not in ("redis", "rediss") or suffix not in _KINDS:
        raise ValueError(f"write {FORMS}")
    kind = _KINDS[suffix]
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    if "#" in rest or "@" in path or (query and "=" not in query.partition("@")[0]):
        raise ValueError(f"a host is name:port; {ENCODED}")
    user, at, names = authority.rpartition("@")
    hosts = tuple(_host(name, _PORTS[kind]) for name in names.split(","))
    master, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
    if kind == "sentinel" and not master:
        raise ValueError("an address of Sentinels ends with the name of their master, as in /mymaster")
    if len(hosts) > 1 and kind == "server":
        raise ValueError("several hosts are Sentinels or a Cluster: write redis+sentinel:// or redis+cluster://")
    if database and not database.isdecimal():
        raise ValueError("the database is a number, as in redis://host:6379/0")
    if kind == "cluster" and database not in ("", "0"):
        raise ValueError("a Cluster has only database 0")
    options = dict(parse_qsl(query))
    own = [name for name in ("username", "password") if f"sentinel_{name}" in options]
    sentinel = {name: options.pop(f"sentinel_{name}") for name in own}
    first = f"[{hosts[0][0]}]" if ":" in hosts[0][0] else hosts[0][0]
    url = f"{base}://{user}{at}{first}:{hosts[0][1]}/{database or 0}" + (f"?{urlencode(options)}" if options else "")
    parse_url(url)
    return Address(kind, hosts, url, unquote(master), sentinel)


def _host(text: str, port: int) -> tuple[str, int]:
    """Host and port, also of an IPv6 address in brackets."""
    name, bracket, after = text.rpartition("]") if text.startswith("[") else ("", "", text)
    host, _, number = after.partition(":")
    host = name.removeprefix("[") if bracket else host
    if not host or (number and not (number.isdecimal() and 0 < int(number) < 65536)):
        raise ValueError(f"a host is name:port or [address]:port; {ENCODED}")
    return host, int(number or port)


def _checked(text: str) -> str:
    parse(text)
    return text


RedisAddress = Annotated[str, AfterValidator(_checked)]
