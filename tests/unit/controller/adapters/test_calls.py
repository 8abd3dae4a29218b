"""Keys and arguments of the scripts: named once on each side, in one order."""

import re
from importlib.resources import files

import pytest
from serinus_controller.adapters.calls import CALLS


def unpacked(script: str, what: str) -> list[str]:
    found = re.search(rf"^local ([\w,\s]+?) = unpack\({what}(?:, 1, (\d+))?\)$", script, re.MULTILINE)
    assert found
    names = re.split(r",\s*", found[1])
    assert not found[2] or int(found[2]) == len(names)
    return names


@pytest.mark.parametrize("name", CALLS)
def test_a_script_unpacks_what_it_is_called_with_in_its_order(name: str) -> None:
    script = files("serinus_controller.adapters").joinpath(f"{name}.lua").read_text(encoding="utf-8")
    keys, arguments = CALLS[name]
    assert unpacked(script, "KEYS") == list(keys.__annotations__)
    assert unpacked(script, "ARGV") == list(arguments.__annotations__)
    beyond = {int(number) for number in re.findall(r"(?:unpack\(ARGV, |ARGV\[|#ARGV > )(\d+)[)\] ]", script)}
    assert beyond <= {len(arguments.__annotations__) + past for past in (0, 1, 2)}
