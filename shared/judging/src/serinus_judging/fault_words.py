"""What is wrong with the data of a snapshot, in words: which metrics, since when, and what was asked instead."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from serinus_contracts.events import MetricsCollected, Reason, Scalar
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import minute, names

from serinus_judging.guardrails import sample_ratio
from serinus_judging.run_progress import RunProgress
from serinus_judging.snapshot import Reading


class Data(NamedTuple):
    """The data that a verdict rests on; readings: one per metric of the plan."""

    plan: AnalysisPlan
    snapshot: MetricsCollected
    progress: RunProgress
    readings: tuple[Reading, ...]


def _affected(data: Data, statuses: Sequence[str]) -> tuple[str, int]:
    """Names of the metrics with such a status, empty where it is all; and the first of them."""
    found = [i for i, reading in enumerate(data.readings) if reading.status in statuses]
    every = len(found) in (0, len(data.readings))
    return ("" if every else names([data.plan.metrics[i].name for i in found])), (found or [0])[0]


def _since(data: Data, i: int) -> str:
    end = data.progress.good[i].end
    return f"since {minute(end)}" if end else f"since the run began at {minute(data.snapshot.stage_started)}"


def _error(data: Data) -> str:
    which, i = _affected(data, ("error",))
    about = which or names([metric.name for metric in data.plan.metrics])
    return f"{about} cannot be judged {_since(data, i)}: {data.readings[i].detail or 'no reason given'}"


def _no_data(data: Data) -> str:
    which, i = _affected(data, ("no_data", "partial"))
    return f"{which}: {_missing(data, i)}" if which else _missing(data, i)


def _missing(data: Data, i: int) -> str:
    """In the collector's words where it has any."""
    reading, measured = data.readings[i], data.readings[i].measured
    if measured is None:
        return f"not measured {_since(data, i)}"
    if reading.without_requests:
        return f"{reading.detail} {_since(data, i)}"
    if reading.detail:
        return f"incomplete data: {reading.detail}" if reading.status == "partial" else reading.detail
    arms = (False, False) if isinstance(measured, Scalar) else (bool(measured.canary), bool(measured.stable))
    what = {(False, True): "no canary data", (True, False): "no stable data"}.get(arms, "no data")
    if reading.status == "partial":
        what = "incomplete data"
    expected = data.progress.good[i].series
    series = f"{measured.series} of {expected} expected series" if expected else "no series known"
    return f"{what} {_since(data, i)}, Prometheus answered, {series}"


def _settling(data: Data) -> str:
    which, first = _affected(data, ("settling", "waiting"))
    reading = data.readings[first] if data.readings else None
    if reading is not None and reading.measured is not None and reading.measured.status == "ok" and reading.detail:
        return f"{data.plan.metrics[first].name}: {reading.detail}"
    of, started = f" of {which}" if which else "", minute(data.snapshot.stage_started)
    return f"waiting for counts{of} to settle after the change to {weight_text(data.snapshot.weight)} at {started}"


def _mismatch(data: Data) -> str:
    return sample_ratio.mismatch(data.progress.sample_ratio)


SAYS: Mapping[Reason, Callable[[Data], str]] = {
    "provider_error": _error,
    "no_data": _no_data,
    "sample_ratio_mismatch": _mismatch,
    "settling": _settling,
}
"""By the reason of the hold."""
