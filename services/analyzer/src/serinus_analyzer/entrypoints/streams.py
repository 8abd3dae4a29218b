"""Snapshots from their stream: decode entries, hand them to the processor, one batch at a time."""

import asyncio
from collections.abc import Sequence

from serinus_contracts import MetricsCollected, UnreadableEntryError, from_entry
from serinus_runtime.loops import sleep_until
from serinus_runtime.streams import Entry

from serinus_analyzer.use_cases.snapshot_processor import SnapshotProcessor
from serinus_analyzer.use_cases.snapshot_queue import QueuedSnapshot, in_batches, size


class SnapshotStream:
    """Entries that were delivered for the first time, or taken over from a dead analyzer; and what waits."""

    def __init__(self, processor: SnapshotProcessor, stopping: asyncio.Event) -> None:
        self._processor, self._stopping = processor, stopping
        # Reading, taking over and retrying would else judge the same run side by side and get in each other's way.
        self._turn = asyncio.Lock()

    async def on_entries(self, entries: Sequence[Entry]) -> None:
        """Judge them; what cannot be read becomes a dead letter. Waits while too much waits already."""
        while self._processor.queue.full and not self._stopping.is_set():
            await sleep_until(self._stopping, 0.1)
        async with self._turn:
            for batch in in_batches(entries, size):
                decoded = [await self._decoded(entry) for entry in batch]
                await self._processor.process([queued for queued in decoded if queued is not None])
                await asyncio.sleep(0)

    async def retry(self) -> float:
        """As `SnapshotProcessor.retry`."""
        async with self._turn:
            return await self._processor.retry()

    async def _decoded(self, entry: Entry) -> QueuedSnapshot | None:
        try:
            envelope = from_entry(MetricsCollected, entry.fields)
        except UnreadableEntryError as error:
            await self._processor.stream.dead_letter(entry, str(error))
            return None
        return QueuedSnapshot(entry, envelope.data, envelope.traceparent)
