"""Keys and arguments of the scripts are named once, at the top of each."""

import re
from importlib.resources import files
from typing import Any

import pytest
from serinus_controller.adapters.calls import NamedScript

NAMES = ("attempt", "constant", "lead", "observe", "remember", "retire", "tell")


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_after_the_arguments_is_read_from_the_place_after_the_last(name: str) -> None:
    client: Any = None
    script = NamedScript(client, name, 0)
    text = files("serinus_controller.adapters").joinpath(f"{name}.lua").read_text(encoding="utf-8")
    beyond = {int(number) for number in re.findall(r"(?:unpack\(ARGV, |ARGV\[|#ARGV > )(\d+)[)\] ]", text)}
    assert beyond <= {len(script.arguments) + past for past in (0, 1, 2)}


def test_a_call_that_lacks_a_name_or_has_another_is_refused() -> None:
    client: Any = None
    script = NamedScript(client, "lead", 0)
    named: dict[str, Any] = {"term_key": "t", "memory_key": "m", "generation": "", "written": 0, "new_generation": "a"}
    assert script.call(**named) == (["t", "m"], ["", 0, "a"])
    for wrong in ({**named, "writen": 1}, {name: named[name] for name in named if name != "written"}):
        with pytest.raises(TypeError, match=r"lead\.lua is called with"):
            script.call(**wrong)
