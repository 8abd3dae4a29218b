"""Two sets of series, told apart by any label matchers, as a provider whose series say which arm they are of.

Each query is asked twice, once for either arm, and what answers is marked by its pod's name. So the plan needs one
rule, and all that counts and judges runs unchanged.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from serinus_collecting.ports import Answer, Provider, ProviderError, Unread, Values
from serinus_contracts import ArmRule, Matcher, Selector
from serinus_contracts.base import Arm, Millis
from serinus_contracts.selector import Labels
from serinus_rollouts.sources import SeriesScope

POD = "pod"
SCOPE = SeriesScope((ArmRule(label=POD, canary="canary/.*", stable="stable/.*"),), (), ())
# What names a process where the series of an application do not say their pod.
_PROCESS = (POD, "instance")
_GIVEN = 200


class OverlapError(ProviderError):
    """A series is of both arms: its requests would be counted for either."""


def matchers(text: str) -> tuple[Matcher, ...]:
    """Of version="v2", or of the same in braces. Raises ValueError that says what to write."""
    body = text.strip()
    if not body.strip("{} "):
        raise ValueError('is empty, which every series matches: write labels, as version="v2"')
    if re.fullmatch(r"\w+(=|!=|=~|!~)[^\"{}]*", body):
        raise ValueError(f"{body}: a value stands in double quotes, which a shell takes away: {_quoted(body)}")
    try:
        selector = Selector.parse(body if "{" in body.partition('"')[0] else f"{{{body}}}")
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    if selector.name is not None:
        raise ValueError(f"names the metric {selector.name}: write labels alone, for the policy names the metrics")
    return selector.matchers


def _quoted(body: str) -> str:
    label, operator, value = re.split("(=~|!~|!=|=)", body, maxsplit=1)
    return f"'{label}{operator}\"{value}\"'"


def shown(found: Sequence[Matcher]) -> str:
    """As a person writes them."""
    return ",".join(map(str, found))


@dataclass(frozen=True)
class TwoArms:
    """A provider of the series of two arms. Raises OverlapError where an answer has one in both."""

    provider: Provider
    canary: tuple[Matcher, ...]
    stable: tuple[Matcher, ...]

    async def samples(self, selector: Selector, end: Millis, reach_ms: int) -> Unread[Answer]:
        canary, stable = await asyncio.gather(
            self.provider.samples(selector.where(*self.canary), end, reach_ms),
            self.provider.samples(selector.where(*self.stable), end, reach_ms),
        )
        return Unread(_GIVEN, canary.body + stable.body, lambda *_: self._joined(canary.read(), stable.read()))

    async def sums(
        self, selector: Selector, by: Sequence[str], end: Millis, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        """Of stable alone, whose past is what sums are asked for."""
        labels = tuple(dict.fromkeys([*_PROCESS, *by]))
        found = await self.provider.sums(selector.where(*self.stable), labels, end, reach_ms, step_ms)
        return Unread(_GIVEN, found.body, lambda *_: _of("stable", found.read()))

    async def values(self, query: str, at: Millis) -> Unread[Values]:
        return await self.provider.values(query, at)

    def _joined(self, canary: Answer, stable: Answer) -> Answer:
        known = {_key(labels) for labels in _labels(canary)}
        both = [labels for labels in _labels(stable) if _key(labels) in known]
        if both:
            labels = ",".join(f'{label}="{value}"' for label, value in sorted(both[0].items()) if label != "__name__")
            raise OverlapError(
                f"{len(both)} series are of both arms, by {shown(self.canary)} and by {shown(self.stable)}, such as "
                f"{both[0].get('__name__', '')}{{{labels}}}: make the two selectors exclude each other"
            )
        arms = _of("canary", canary), _of("stable", stable)
        return Answer(
            [one for arm in arms for one in arm.series],
            list(dict.fromkeys([*canary.warnings, *stable.warnings])),
            [one for arm in arms for one in arm.histograms],
        )


def _labels(answer: Answer) -> list[Labels]:
    return [*(one.labels for one in answer.series), *(one.labels for one in answer.histograms)]


def _key(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _of(arm: Arm, answer: Answer) -> Answer:
    def marked(one: Any) -> Any:
        process = next((one.labels[label] for label in _PROCESS if one.labels.get(label)), "")
        return replace(one, labels={**one.labels, POD: f"{arm}/{process}"})

    series, histograms = list(map(marked, answer.series)), list(map(marked, answer.histograms))
    return replace(answer, series=series, histograms=histograms, labels=None)
