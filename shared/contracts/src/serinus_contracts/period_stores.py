"""Stores that keep sums by period instead of counters: what a selector means there, and what they cannot be asked.

`serinus validate`, the CRD's conditions and the collector ask here, so what is accepted can be asked.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from serinus_contracts.selector import Matcher, Selector

Api = Literal["prometheus", "datadog", "cloudwatch"]
PeriodApi = Literal["datadog", "cloudwatch"]
STORES: dict[str, str] = {"datadog": "Datadog", "cloudwatch": "CloudWatch"}
"""By the preset of a source, how people know it."""

_ALTERNATIVE = re.compile(r"(?P<before>\.\*)?(?P<text>(?:[^\\.*+?()\[\]{}^$|]|\\[^a-zA-Z0-9])*)(?P<after>\.\*)?")
_TAG = re.compile(r"[^\W\d_][\w./-]*")
_TAG_VALUE = re.compile(r"[\w./:-]+")
_DATADOG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,199}")
MAX_DIMENSIONS = 30


def alternatives(pattern: str) -> Sequence[str] | None:
    """The texts that a regular expression stands for, with * for `.*` at their ends; None where it says more."""
    found = []
    for part in re.split(r"(?<!\\)\|", pattern):
        match = _ALTERNATIVE.fullmatch(part)
        if match is None or not match["text"]:
            return None
        text = re.sub(r"(?s)\\(.)", r"\1", match["text"])
        if "*" in text:
            return None
        found.append(f"{'*' if match['before'] else ''}{text}{'*' if match['after'] else ''}")
    return found


class CloudWatchMetric(NamedTuple):
    """A metric as CloudWatch knows it: exactly these dimensions."""

    namespace: str
    name: str
    dimensions: Sequence[tuple[str, str]]


def check(api: PeriodApi, selector: Selector) -> None:
    """Raises ValueError, saying why, for a selector that this store cannot be asked."""
    if api == "datadog":
        datadog_query(selector, 60)
    else:
        cloudwatch_metric(selector)


def datadog_query(selector: Selector, period_seconds: int) -> str:
    """The sums by period of what a selector selects, as Datadog is asked for them. Raises ValueError."""
    name = selector.name or ""
    if not _DATADOG_NAME.fullmatch(name):
        raise ValueError(f"Datadog's metrics have names of letters, digits, _ and dots, not {name!r}")
    scope = " AND ".join(part for matcher in selector.matchers for part in _tags(matcher)) or "*"
    return f"sum:{name}{{{scope}}}.as_count().rollup(sum, {period_seconds})"


def _tags(matcher: Matcher) -> Sequence[str]:
    key, negated = matcher.label, matcher.op.startswith("!")
    if not _TAG.fullmatch(key) or key != key.lower():
        raise ValueError(f"Datadog keeps tags in lower case, with letters, digits and _ - . / alone, not {key!r}")
    values = alternatives(matcher.value) if matcher.op.endswith("~") else [matcher.value]
    if values is None:
        raise ValueError(
            f"Datadog filters by values, alternatives (a|b) and .* at an end alone, which {matcher} is none of"
        )
    for value in values:
        bare = value.strip("*") if matcher.op.endswith("~") else value
        if not _TAG_VALUE.fullmatch(bare) or bare != bare.lower():
            raise ValueError(
                f"Datadog keeps values of tags in lower case, with letters, digits and _ - . / : alone, not {value!r}"
            )
    if negated:
        return [f"NOT {key}:{value}" for value in values]
    either = " OR ".join(f"{key}:{value}" for value in values)
    return [f"({either})" if len(values) > 1 else either]


def cloudwatch_metric(selector: Selector) -> CloudWatchMetric:
    """The metric that a selector names as namespace/name with each of its dimensions. Raises ValueError."""
    namespace, _, name = (selector.name or "").rpartition("/")
    if not namespace or not name:
        raise ValueError(
            f"CloudWatch's metrics are written with their namespace, as AWS/ApplicationELB/RequestCount, "
            f"not {selector.name or ''!r}"
        )
    odd = [str(one) for one in selector.matchers if one.op != "=" or not one.value]
    if odd:
        raise ValueError(f"CloudWatch wants each dimension with its one value, which {', '.join(odd)} does not give")
    dimensions = [(one.label, one.value) for one in selector.matchers]
    if len({label for label, _ in dimensions}) < len(dimensions) or len(dimensions) > MAX_DIMENSIONS:
        raise ValueError(f"a metric of CloudWatch has each dimension once, and at most {MAX_DIMENSIONS}")
    return CloudWatchMetric(namespace, name, dimensions)
