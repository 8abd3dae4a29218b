"""One bad object stops nobody: what goes wrong with one becomes a complaint about it, and all others go on."""

import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter

from serinus_runtime.errors import concerns_all
from serinus_runtime.watchdog import in_hand

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 10_000


@dataclass
class Outcome:
    """`problem`: what went wrong, empty if nothing did."""

    problem: str = ""


class Complaints:
    """Of one process, about objects of `kinds`. Each is logged once until it changes or the object is handled again."""

    def __init__(self, registry: CollectorRegistry | None = None, *kinds: str) -> None:
        registry = registry or CollectorRegistry()
        self._skipped = Counter(
            "serinus_objects_skipped",
            "times that one object could not be handled and was left out, while others went on",
            ["kind"],
            registry=registry,
        )
        for kind in kinds:
            self._skipped.labels(kind)  # an alert sees the first one only if it was 0 before
        self._told: OrderedDict[tuple[str, str], str] = OrderedDict()

    @contextmanager
    def about(self, kind: str, name: str) -> Iterator[Outcome]:
        """Around the handling of one object; an error that concerns all is raised."""
        outcome = Outcome()
        try:
            with in_hand(f"{kind} {name}"):
                yield outcome
        except Exception as error:
            if concerns_all(error):
                raise
            outcome.problem = f"{type(error).__name__}: {error}"
            self._complain(kind, name, outcome.problem)
        else:
            self._told.pop((kind, name), None)

    def _complain(self, kind: str, name: str, problem: str) -> None:
        self._skipped.labels(kind).inc()
        if self._told.get((kind, name)) != problem:
            logger.exception("skipping %s %s, all others go on: %s", kind, name, problem)
        self._told[(kind, name)] = problem
        self._told.move_to_end((kind, name))
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
