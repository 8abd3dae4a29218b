"""Numbers as a person writes them."""

from collections.abc import Sequence


def percent(rate: float) -> str:
    """A share in percent: one place from 10 % on, two below, two digits below 0.1 %."""
    value = 100 * rate
    if value == 0:
        return "0 %"
    if value >= 9.995:
        return f"{value:.1f}".removesuffix(".0") + " %"
    return f"{value:.2f} %" if value >= 0.0995 else f"{float(f'{value:.2g}'):.12f}".rstrip("0") + " %"


def plain(rate: float) -> str:
    """Events per trial, three digits."""
    return f"{rate:.3g}"


def duration(seconds: float) -> str:
    """45 s, 5 min, 1 h 30 min; half a minute more or less is not told."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1g} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def clock(millis: int) -> str:
    """An instant as HH:MM in UTC."""
    minutes = millis // 60_000 % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def edge(seconds: float) -> str:
    """A latency: 250 ms, 2.5 s."""
    return f"{1000 * seconds:.4g} ms" if seconds < 1 else f"{seconds:.4g} s"


def requests(count: int) -> str:
    """So many requests."""
    return "1 request" if count == 1 else f"{count:,} requests"


def names(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def false_abort_rate(probability: float) -> str:
    """At a false-abort rate of 1 %."""
    return f"at a false-abort rate of {100 * probability:.3g} %"


def confidence(false_promote_rate: float) -> str:
    """At 95 % confidence."""
    return f"at {100 * (1 - false_promote_rate):.4g} % confidence"
