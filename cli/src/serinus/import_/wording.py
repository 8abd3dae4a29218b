"""Names and durations as a policy has them."""

import re


def metric_name(text: str) -> str:
    """As a policy's metric may be called."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    return (plain if plain[:1].isalpha() else f"m-{plain}")[:63]


def duration(seconds: float) -> str:
    """30s, 5m, 1h30m, 1.5s"""
    if seconds != round(seconds):
        return f"{seconds:.6f}".rstrip("0") + "s"
    parts = zip((seconds // 3600, seconds // 60 % 60, seconds % 60), "hms", strict=True)
    return "".join(f"{int(number)}{unit}" for number, unit in parts if number) or "0s"
