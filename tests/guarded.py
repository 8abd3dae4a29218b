"""Redis with the users that are shipped, to the letter; who looks on in a test is one more user beside them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

import pytest

from tests.servers import RedisServer, redis_binary
from tests.topologies import started

SHIPPED = Path(__file__).parents[1] / "deploy" / "redis" / "users.acl"
SERVICES = ("collector", "analyzer", "controller", "notifier", "reader", "operator")
ADMIN = "user admin on >admin ~* &* +@all"


def users_file(folder: Path, *more: str) -> Path:
    """What is shipped, with passwords filled in as an operator does it, and then users of the test's own."""
    passwords = {f"{name.upper()}_PASSWORD": f"{name}-secret" for name in SERVICES}
    made = folder / "users.acl"
    made.write_text(Template(SHIPPED.read_text()).substitute(passwords) + "".join(f"{line}\n" for line in more))
    return made


def addresses(url: str) -> Mapping[str, str]:
    """The address of each shipped user, and of `admin` where that was added."""
    users = {name: f"serinus-{name}:{name}-secret" for name in SERVICES} | {"admin": "admin:admin"}
    return {name: url.replace("//", f"//{user}@", 1) for name, user in users.items()}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[RedisServer, Mapping[str, str]]]:
    """A Redis that lets in nobody but the shipped users and one who looks on; their addresses by name."""
    folder = tmp_path / "guarded"
    folder.mkdir()
    with started(RedisServer(redis_binary(), folder, aclfile=str(users_file(folder, ADMIN)))) as server:
        yield server, addresses(server.url)
