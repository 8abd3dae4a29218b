"""Numbers and times as people read them."""

from datetime import UTC, datetime

from serinus_contracts.base import Millis


def percent(rate: float) -> str:
    """A share: three digits, more where it is small."""
    shown = 100 * rate
    return f"{shown:.3g} %" if shown < 100 else f"{shown:.0f} %"


def plain(rate: float) -> str:
    return f"{rate:.3g}"


def times(ratio: float) -> str:
    return f"{ratio:.2g}×" if ratio < 10 else f"{ratio:.0f}×"


def duration(seconds: float) -> str:
    """The two largest units: 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def ago(then: Millis, now: Millis) -> str:
    return f"{duration((now - then) / 1000)} ago"


def iso(then: Millis) -> str:
    return datetime.fromtimestamp(then / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(then: Millis) -> str:
    return datetime.fromtimestamp(then / 1000, UTC).strftime("%H:%M:%S")


def minute(then: Millis) -> str:
    return datetime.fromtimestamp(then / 1000, UTC).strftime("%H:%M")


def moment(then: Millis) -> str:
    return datetime.fromtimestamp(then / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def edge(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"


def words(code: str) -> str:
    """A code such as no_data, for people."""
    return code.replace("_", " ")
