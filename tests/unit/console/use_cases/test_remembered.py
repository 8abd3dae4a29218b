import pytest
from serinus_console.use_cases.ports import DirectoryError, Person
from serinus_console.use_cases.remembered import Remembered

pytestmark = pytest.mark.anyio


class Asked:
    """A directory that counts, and that can be away."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def person(self, token: str) -> Person | None:
        self.asked += 1
        if self.away:
            raise DirectoryError("away")
        return Person(token)

    async def may_act(self, person: Person, namespace: str, name: str) -> bool:
        self.asked += 1
        return namespace == "shop"


async def test_an_answer_is_remembered_for_so_long_and_no_longer() -> None:
    asked, now = Asked(), [100.0]
    directory = Remembered(asked, 15, lambda: now[0])
    assert await directory.person("alice") == await directory.person("alice") == Person("alice")
    assert asked.asked == 1
    now[0] += 15
    assert await directory.person("alice") == Person("alice")
    assert asked.asked == 2


async def test_rights_are_remembered_by_person_and_rollout() -> None:
    asked = Asked()
    directory = Remembered(asked, 15, lambda: 0.0)
    assert await directory.may_act(Person("alice"), "shop", "checkout")
    assert not await directory.may_act(Person("alice"), "bank", "checkout")
    assert await directory.may_act(Person("alice", ("sre",)), "shop", "checkout")
    assert asked.asked == 3


async def test_a_failure_is_not_remembered() -> None:
    asked = Asked()
    asked.away = True
    directory = Remembered(asked, 15, lambda: 0.0)
    with pytest.raises(DirectoryError):
        await directory.person("alice")
    asked.away = False
    assert await directory.person("alice") == Person("alice")
