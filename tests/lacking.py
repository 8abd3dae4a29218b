"""What a test wants of the machine and does not find: it is skipped and told of at the end, but fails in CI."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NoReturn

import pytest

PREFIX = "for want of "


def lacking(what: str, remedy: str, *, in_ci: bool = False) -> NoReturn:
    """Leave the test out for want of `what`; `remedy` is how to get it. `in_ci`: CI need not have it either."""
    if os.environ.get("CI") and not in_ci:
        pytest.fail(f"CI must have {what}: {remedy}")
    pytest.skip(f"{PREFIX}{what}: {remedy}")


def closing_table(skipped: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines for tests' ids and why they were skipped: how many want what, how to get it, and where they are."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for test, reason in skipped:
        by_reason[reason.removeprefix("Skipped: ")].append(test.partition("::")[0])
    for reason, files in sorted(by_reason.items()):
        yield f"{len(files):4} {reason}"
        for file in sorted(set(files)):
            yield f"     {files.count(file):4} in {file}"
