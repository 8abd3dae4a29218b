"""What has to be there before anything is judged: series of both arms, by which a plan is made."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from serinus_contracts import AnalysisPlan, CanaryPolicy, Queried, Run, Selector
from serinus_contracts.base import Arm
from serinus_contracts.policy import Gate
from serinus_contracts.weight import percent_of
from serinus_contracts.wording import names
from serinus_runtime.clock import now_ms

from serinus.doctor.measured import Live, Seen
from serinus.judge.arms import TwoArms, shown
from serinus.judge.found_metrics import found_metrics, names_of, seen_now
from serinus.judge.plan import SECONDS, plan_of, policy_for

# A Prometheus that has just found its targets needs as long at most in most configurations.
SERIES_SECONDS = 60.0
ASK_AGAIN_SECONDS = 2.0
EVEN = 50.0
KNOWN = "docs/reference/instrumentations.md"


class NothingToJudgeError(Exception):
    """There are no series to compare; the text says which, and the way out."""


@dataclass(frozen=True)
class Ready:
    """The plan, the interval of scrapes, what each metric of it reads, and what is to be said of it."""

    plan: AnalysisPlan
    scrape_ms: int | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """What was asked for. `weight` is the canary's share of the traffic where it is known, percent."""

    run: Run
    policy: CanaryPolicy | None
    weight: float | None
    seconds: float | None
    follow: bool
    gate: Gate | None = None


async def ready(arms: TwoArms, asked: Asked, tell: Callable[[str], None], patience: float = SERIES_SECONDS) -> Ready:
    """As soon as one metric has series of both arms, for `patience` seconds at most; `tell` gets what is waited for, at
    each change.

    Raises NothingToJudgeError, ProviderError, UnfitPolicyError.
    """
    end, said = monotonic() + patience, ""
    while True:
        found, lacking = await _looked(arms, asked)
        if found is not None:
            return found
        if monotonic() >= end:
            raise NothingToJudgeError(f"nothing to judge: {lacking}{await _there(arms)}")
        if lacking != said:
            tell(f"waiting for series: {lacking}")
            said = lacking
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _looked(arms: TwoArms, asked: Asked) -> tuple[Ready | None, str]:
    """What is there; where nothing can be judged of it, what is lacking."""
    policy, notes, now = asked.policy, list[str](), now_ms()
    seconds = asked.seconds if asked.seconds is not None else None if asked.follow else SECONDS
    found = None
    if policy is None:
        found = await found_metrics(arms, asked.run, now)
        if found is None:
            return None, f"no counter of requests with their status, of those that {KNOWN} lists, on either side"
        policy = policy_for(asked.run.name, found, None, seconds or SECONDS, asked.gate)
        notes += [f"not judged: {one}" for one in found.refused]
    plan = plan_of(policy, asked.run, EVEN, asked.seconds, asked.follow, asked.gate)
    seen = await seen_now(arms, plan, now)
    lacking = {one.metric: _arms_without(one) for one in seen}
    queries = {one.name: one.source.query for one in plan.metrics if not isinstance(one.source, Queried)}
    counted = [one.name for one in plan.metrics if one.source.kind in ("proportion", "distribution")]
    said = {name: _lacks(arms, queries[name], lacking[name]) for name in lacking if lacking[name]}
    if counted and all(lacking[name] for name in counted):
        return None, said[counted[0]]
    scrape_ms = max((one.scrape_ms for one in seen if one.scrape_ms), default=None)
    if found is not None:
        policy = policy_for(asked.run.name, found, scrape_ms, seconds or SECONDS, asked.gate)
    weight = _share(seen) if asked.weight is None else asked.weight
    plan = plan_of(policy, asked.run, weight, asked.seconds if asked.policy else seconds, asked.follow, asked.gate)
    notes += [f"{name}: {text}" for name, text in said.items()]
    return Ready(plan, scrape_ms, notes), ""


def _arms_without(seen: Seen) -> list[Arm]:
    arms: tuple[tuple[Arm, Live], ...] = (("canary", seen.canary), ("stable", seen.stable))
    return [name for name, live in arms if not live.series]


def _lacks(arms: TwoArms, query: Selector, without: Sequence[Arm]) -> str:
    by = {"canary": arms.canary, "stable": arms.stable}
    return f"no series of {query} by " + names([f"--{arm} {shown(by[arm])}" for arm in without])


def _share(seen: Sequence[Seen]) -> float:
    """The canary's part of the requests of the last minutes, in whole percent; a half where there were none."""
    for one in seen:
        if one.canary.trials and one.stable.trials:
            share = percent_of(one.canary.trials, one.canary.trials + one.stable.trials)
            return float(min(max(round(share), 1), 99))
    return EVEN


async def _there(arms: TwoArms) -> str:
    """What the selectors match in place of what is looked for."""
    lines = []
    asked: tuple[tuple[Arm, str], ...] = (("canary", shown(arms.canary)), ("stable", shown(arms.stable)))
    for arm, text in asked:
        found = await names_of(arms, arm, now_ms())
        some = ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")
        lines.append(f"--{arm} {text} matches {some or 'no series at all: is the label spelt so in Prometheus?'}")
    return "\n" + "\n".join(lines) + "\nName metrics of yours by --policy: docs/how-to/judge.md"
