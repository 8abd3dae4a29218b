import io
import re
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text
from serinus import terminal
from serinus.terminal import Terminal, say

HOSTILE = "\x1b]0;owned\x07\x1b[2J [/x] [link=https://evil.example]here[/link] :smile:"
SHOWN = "]0;owned[2J [/x] [link=https://evil.example]here[/link] :smile:"


def test_what_comes_from_outside_moves_colours_and_links_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(HOSTILE)
    for hostile in (HOSTILE, Text(HOSTILE), table):
        file = io.StringIO()
        console = Terminal(file=file, force_terminal=True, color_system="truecolor", width=120)
        console.print(hostile, style="red")
        assert re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).strip() == SHOWN
        assert "\x1b[31m" in file.getvalue()
    say(HOSTILE)
    assert capsys.readouterr().out == SHOWN + "\n"


def test_commands_print_by_the_terminal_alone() -> None:
    folder = Path(terminal.__file__).parent
    wrong = re.compile(r"\bConsole\(|\becho\(|(?<![.\w])print\(")
    own = {"terminal.py", "app.py"}  # its version and usage are its own words
    found = [path.name for path in folder.rglob("*.py") if path.name not in own and wrong.search(path.read_text())]
    assert found == []
