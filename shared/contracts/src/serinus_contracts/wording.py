"""Numbers and times as people read them, everywhere the same: in verdicts, on the page, by the command line."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import floor, isfinite, log10

from serinus_contracts.base import Millis


def percent(rate: float, beside: float | None = None) -> str:
    """A share by two significant digits, above a half by those of what is missing: 0.31 %, 12 %, 89.9 %, -4.2 %.

    Beside another share it has as many more as tell the two apart: 12.1 % beside 12.4 %.
    """
    return _apart(_percent, rate, beside)


def _percent(rate: float, more: int) -> str:
    value = 100 * rate
    most = 50 < value < 100
    rest = 100 - value if most else abs(value)
    digits = min(12, max(int(most), 1 - floor(log10(rest))) + more) if rest > 0 else more
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if digits else text) + " %"


def plain(rate: float, beside: float | None = None) -> str:
    """Events per trial, three digits, or as many as tell it from the rate beside it."""
    return _apart(lambda value, more: f"{value:.{3 + more}g}", rate, beside)


MORE_DIGITS = 9


def _apart(phrase: Callable[[float, int], str], rate: float, beside: float | None) -> str:
    """The text of a rate with the least number of further digits by which it differs from the other's."""
    text = phrase(rate, 0)
    if beside is None or rate == beside or text != phrase(beside, 0):
        return text
    texts = ((phrase(rate, more), phrase(beside, more)) for more in range(1, MORE_DIGITS))
    return next((own for own, other in texts if own != other), text)


def times(ratio: float) -> str:
    """A multiple: 1.2×, 12×."""
    return f"{ratio:.2g}×" if ratio < 10 else f"{ratio:.0f}×"


def duration(seconds: float) -> str:
    """The two largest units: 0.5 s, 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h; `never` if it is not finite."""
    if not isfinite(seconds):
        return "never"
    if 0.1 <= seconds < 1:
        return f"{seconds:.1g} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def ago(then: Millis, now: Millis) -> str:
    """How long before `now`."""
    return f"{duration((now - then) / 1000)} ago"


def iso(then: Millis) -> str:
    """An instant for machines: 2027-01-15T12:00:00Z."""
    return datetime.fromtimestamp(then / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(then: Millis) -> str:
    """The time of day in UTC, with seconds."""
    return datetime.fromtimestamp(then / 1000, UTC).strftime("%H:%M:%S")


def minute(then: Millis) -> str:
    """The time of day in UTC, without seconds."""
    return datetime.fromtimestamp(then / 1000, UTC).strftime("%H:%M")


def moment(then: Millis) -> str:
    """An instant: 2027-01-15 12:00:00 UTC."""
    return datetime.fromtimestamp(then / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def edge(seconds: float) -> str:
    """A latency: 2.5 ms, 250 ms, 2.5 s."""
    return f"{1000 * seconds:.4g} ms" if seconds < 1 else f"{seconds:.4g} s"


def requests(count: int) -> str:
    """So many requests."""
    return "1 request" if count == 1 else f"{count:,} requests"


def names(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def segment(label: str, value: str | None) -> str:
    """What has this value of a label: route /checkout; other values of route, where there is none of its own."""
    if value is None:
        return f"other values of {label}"
    return f"{label} {value}" if value else f"what has no {label}"


def words(code: str) -> str:
    """A code such as no_data, for people."""
    return code.replace("_", " ")
