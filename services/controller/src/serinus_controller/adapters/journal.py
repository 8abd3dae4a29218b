"""The controller's memory of a run and the stream of its decisions, in Redis."""

import json
from dataclasses import asdict
from typing import Any

from serinus_contracts import DecisionTaken, Keys, Run, VerdictReached, seal, to_entry
from serinus_runtime import scripts
from serinus_runtime.clock import Clock
from serinus_runtime.redis import KEPT_SECONDS, Client

from serinus_controller.adapters.registry import SOURCE
from serinus_controller.domain.decide import Approval, Memory
from serinus_controller.domain.progress import Intent
from serinus_controller.service_layer.ports import Control


class RedisJournal:
    def __init__(self, client: Client, keys: Keys, *, clock: Clock, most_entries: int) -> None:
        self._client, self._keys, self._clock, self._most_entries = client, keys, clock, most_entries
        self._tell = scripts.load(client, __package__, "tell")

    async def load(self, run: Run) -> Control:
        names = ("intent", "memory", "topic", "verdict")
        values: Any = await self._client.hmget(self._keys.control(run.id), names)
        intent, memory, topic, verdict = values
        return Control(
            intent=Intent.model_validate_json(intent) if intent else None,
            memory=_memory(json.loads(memory)) if memory else Memory(),
            topic=topic.decode() if topic else "",
            verdict=VerdictReached.model_validate_json(verdict) if verdict else None,
        )

    async def remember(self, run: Run, *, verdict: VerdictReached) -> None:
        await self._set(run, verdict=verdict.model_dump_json())

    async def keep(self, run: Run, memory: Memory) -> None:
        await self._set(run, memory=json.dumps(asdict(memory)))

    async def begin(self, run: Run, intent: Intent, topic: str) -> None:
        await self._set(run, intent=intent.model_dump_json(), topic=topic)

    async def tell(self, decision: DecisionTaken, *, topic: str, ends_intent: bool = False) -> None:
        key = self._keys.control(decision.run.id)
        entry = to_entry(seal(decision, source=SOURCE, now=self._clock()))
        await self._tell(
            keys=[key, self._keys.stream("decisions")],
            args=[
                decision.event_id(),
                topic,
                int(ends_intent),
                KEPT_SECONDS,
                self._most_entries,
                *(part for pair in entry.items() for part in pair),
            ],
        )

    async def _set(self, run: Run, **fields: Any) -> None:
        key = self._keys.control(run.id)
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.hset(key, mapping=fields)  # type: ignore[arg-type] # keys are text
            pipe.expire(key, KEPT_SECONDS)
            await pipe.execute()


def _memory(document: dict[str, Any]) -> Memory:
    approvals = {int(step): Approval(**approval) for step, approval in document.get("approvals", {}).items()}
    return Memory(approvals, document.get("held", ""), tuple(document.get("followed", ())))
