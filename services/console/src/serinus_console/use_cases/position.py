"""How far a reader has come in several streams: one Redis entry id a stream, joined by commas.

One id would not do: two streams may get entries in the same millisecond, and after a failover their clocks may differ.
"""

import re
from collections.abc import Mapping

from serinus_contracts.streams import Stream

FOLLOWED: tuple[Stream, ...] = ("rollouts", "verdicts", "decisions", "commands")
_ID = re.compile(r"^\d{1,19}(-\d{1,19})?$")

Position = Mapping[Stream, str]


def written(position: Position) -> str:
    """The `id` of a server-sent event."""
    return ",".join(position[stream] for stream in FOLLOWED)


def read(text: str) -> Position:
    """A `Last-Event-ID`; a single entry id, or a time in ms, stands for all streams.

    Raises ValueError if it is neither.
    """
    ids = text.strip().split(",")
    if len(ids) == 1:
        ids *= len(FOLLOWED)
    if len(ids) != len(FOLLOWED) or not all(_ID.match(one) for one in ids):
        raise ValueError(f"Last-Event-ID wants one Redis entry id, or one for each of {', '.join(FOLLOWED)}")
    return dict(zip(FOLLOWED, ids, strict=True))
