"""One word for one thing: words that are no longer used (docs/reference/glossary.md has those that are)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("shared/**/src/**/*.py", "services/**/src/**/*.py", "cli/src/**/*.py", "simulator/src/**/*.py", "tools/*.py",
           "benchmarks/*.py")  # fmt: skip
TEXTS = ("*.md", "docs/**/*.md", "deploy/**/*.md")
SHOWN = (
    "services/**/templates/**/*.html",
    "cli/src/**/*.yaml",
    "examples/**/*.yaml",
    "deploy/**/*.yaml",
    "deploy/**/*.json",
    "tests/integration/cli/golden/**/*.txt",
)
EVERYWHERE = (*SOURCES, *TEXTS, *SHOWN)
# What was decided or released in other words keeps them.
HISTORY = ("docs/adr/", "CHANGELOG.md")
# A plan's own fields are snake_case.
PLANS = "docs/reference/events.md"

NO_LONGER: Mapping[str, tuple[tuple[str, ...], str]] = {
    # contracts and policies
    r"serinus\.dev/v1(?!\w)": (EVERYWHERE, "serinus.dev/v1alpha1"),
    r"\bfalse_abort\b|\bfalse_proceed\b": (EVERYWHERE, "falseAbortRate, falsePromoteRate"),
    r"\b(?<!error-)[Bb]udgets?\b": (EVERYWHERE, "false-abort rate; an error budget is an SLO's"),
    r"\btraffic_mismatch\b|\btraffic mismatch\b": (EVERYWHERE, "sample ratio mismatch"),
    r"\blog_abort\b|\blog_proceed\b": (EVERYWHERE, "log_eprocess, log_eprocess_non_inferior"),
    r"\bgate: (quiet|proof)\b|\b(quiet|proof) (gate|stage)|\bgate of kind (quiet|proof)": (
        EVERYWHERE,
        "noRegression, nonInferiority",
    ),
    r"\b(on_no_data|on_time_spent|may_abort|failure_limit|initial_delay|namespace_label|pass_score)\b": (
        (*TEXTS, *SHOWN),
        "camelCase, as in a policy",
    ),
    # names
    r"\b(LookTaker|PolicyBook|Sightings|Fallen|Rotating)\b": (SOURCES, "see the glossary"),
    r"\b(LONGEST|FURTHEST)(_[A-Z]+)*\b": (SOURCES, "MAX_..."),
    r"\b(MOST_[A-Z]+|DEALS|OneToken|Surroundings|Fleet)\b": (SOURCES, "MAX_..., see the glossary"),
    r"\bcash\b": (SOURCES, "unspent prior"),
    # pages, messages and documents
    r"\b(namespaces?|policies|policy|snapshots|runs?|releases?) (is|are|was|were) slowed\b|slowed (within|still)": (
        EVERYWHERE,
        "paced, as the policy's condition says",
    ),
    r"Want a person|Take it from here|Before / After|[Ff]ound beside the judgement": (EVERYWHERE, "the page's words"),
    r"[Cc]anary judgement": (EVERYWHERE, "automated canary analysis"),
    r"What Serinus bears|# Where counts come from": (EVERYWHERE, "Performance and limits, Metric sources"),
    r"serinus_looks?\w*|SerinusLooks\w*": (EVERYWHERE, "serinus_snapshots..., SerinusSnapshotsLate"),
    r"(?<!_)\blook(s|ed at)?\b(?! up| for)": (("benchmarks/*.py",), "snapshot or evaluation"),
    r"\b[Aa] look\b|\blooks (of a second|in a row|a second)\b|\b(each|every|one|per|first) look\b": (
        (*TEXTS, *SHOWN),
        "snapshot or evaluation",
    ),
}


def places(pattern: str, where: tuple[str, ...]) -> Iterator[str]:
    for glob in where:
        for path in sorted(ROOT.glob(glob)):
            name = str(path.relative_to(ROOT))
            if name.startswith(HISTORY) or "/.venv/" in name or not path.is_file():
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if re.search(pattern, line):
                    yield f"{name}:{number}: {line.strip()[:120]}"


@pytest.mark.parametrize("pattern", NO_LONGER)
def test_a_word_that_was_given_up_is_nowhere(pattern: str) -> None:
    where, instead = NO_LONGER[pattern]
    found = [place for place in places(pattern, where) if not ("on_no_data" in pattern and place.startswith(PLANS))]
    assert found == [], f"write {instead}"


def test_a_word_that_was_given_up_would_be_found() -> None:
    assert list(places(r"^# Serinus$", TEXTS)) != []
