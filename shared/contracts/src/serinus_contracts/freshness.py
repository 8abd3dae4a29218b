"""How old a verdict may be for anything to rest on it, and how far ahead of the clock: one rule for all readers."""

from serinus_contracts.base import Millis
from serinus_contracts.plan import AnalysisPlan

MAX_INTERVALS = 3
"""Without an evaluation for so many intervals of the policy nothing is advanced."""

SLACK_MS = 20_000
"""What passes between the end of a snapshot and its verdict: a scrape, the query, the evaluation."""


def stale(end: Millis, plan: AnalysisPlan, now: Millis) -> bool:
    """Whether a snapshot with this end is too old for anything to rest on its verdict."""
    return now - end > MAX_INTERVALS * plan.interval * 1000 + SLACK_MS


def ahead(end: Millis, now: Millis) -> bool:
    """Whether a verdict is about a time that has not come: it was forged, or Redis' clock has stepped back."""
    return end > now + SLACK_MS
