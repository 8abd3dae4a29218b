"""Waiting by the world's own time, so that a slow answer is slow in a test with a manual clock too."""

from __future__ import annotations

import asyncio

from serinus_simulator.clock import Agenda


async def sleep(agenda: Agenda, seconds: float) -> None:
    """Wait for so many seconds of the world's time."""
    over = asyncio.Event()
    entry = agenda.after(seconds, over.set)
    try:
        await over.wait()
    finally:
        entry.cancel()
