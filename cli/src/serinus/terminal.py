"""Where commands print text: what comes from outside, such as a reason, is neither obeyed by the terminal nor markup.

Nothing else in the command makes a console or echoes.
"""

from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from serinus_contracts.plain import plain


class Terminal(Console):
    """Prints a text as it is: styles come by `style` and `Text` alone."""

    def __init__(self, *, stderr: bool = False, width: int | None = None, **options: Any) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def say(text: str, *, end: str = "\n") -> None:
    """Print text that is nowhere folded."""
    typer.echo(plain(text) + end, nl=False)
