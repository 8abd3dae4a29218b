"""The controller's memory of a run and the stream of its decisions, in Redis."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from serinus_contracts import DecisionTaken, Keys, Run, VerdictReached, seal, to_entry
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.report import Decided
from serinus_rollouts.progress import Intent
from serinus_runtime import scripts, traces
from serinus_runtime.clock import Clock
from serinus_runtime.redis import KEPT_SECONDS, STORY_SECONDS, Client
from serinus_runtime.witness import EVERY_SECONDS, Position, position

from serinus_controller.adapters.calls import NamedScript
from serinus_controller.adapters.registry import SOURCE
from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.report import chapter
from serinus_controller.use_cases.ports import DeposedError, LostError

logger = logging.getLogger(__name__)
NOTHING = Position()
UNREADABLE = "serinus (its memory of this run cannot be read; resume to go on)"


class RedisJournal:
    """A Lease does not fence: who slept through its end still acts for a moment. So each leader takes a number, and
    nothing is written under an older one than the last that was taken.

    Nor does Redis always keep what it has acknowledged. So each write counts, and none is made, hence nothing is acted
    on, where those before it are not there any more (docs/adr/0064). `lost` is set then.

    What is told is also a chapter of the run's report, if that was begun and is still `kept` (seconds). Each decision
    that was told is given to `on_published`."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        *,
        clock: Clock,
        max_entries: int,
        cluster: str = "default",
        kept: float = STORY_SECONDS,
        on_published: Callable[[DecisionTaken], None] = lambda decision: None,
    ) -> None:
        self._on_published = on_published
        self._client, self._keys, self._clock, self._max_entries = client, keys, clock, max_entries
        self._tell = NamedScript(client, "tell", scripts.ACTING)
        self._remember = NamedScript(client, "remember", scripts.ACTING)
        self._lead = NamedScript(client, "lead", scripts.ACTING)
        self._cluster, self._term, self._kept = cluster, 0, round(kept)
        self.position, self.lost = Position(), asyncio.Event()

    async def take_over(self, noted: Position = NOTHING) -> bool:
        """From now on we write, and nobody who led before. False if Redis lacks something of what was `noted` outside
        of it, or of what we had written ourselves."""
        ours = self.position
        known = max(noted, ours) if noted.generation in ("", ours.generation) else noted
        answer = await self._lead(
            term_key=self._keys.term(self._cluster),
            memory_key=self._keys.memory,
            generation=known.generation,
            written=known.written,
            new_generation=secrets.token_hex(4),
        )
        self._term, lost, generation, written = answer
        self.position = Position(generation.decode(), written)
        self.lost.clear()
        return not lost

    async def look(self) -> float:
        """Whether all is there that we wrote, also while there is nothing to write. A step for `forever`."""
        if (await position(self._client, self._keys)).lacks(self.position):
            self.lost.set()
        return EVERY_SECONDS

    async def load(self, run: Run) -> ControllerState:
        """What is kept of a run; a run whose memory cannot be read is held until a person resumes it."""
        names = ("intent", "operator", "dedupe_key", "verdict")
        values: Any = await self._client.hmget(self._keys.control(run.id), names)
        intent, operator, dedupe_key, verdict = values
        try:
            return ControllerState(
                intent=Intent.model_validate_json(intent) if intent else None,
                operator=OperatorState.read(operator),
                dedupe_key=dedupe_key.decode() if dedupe_key else "",
                verdict=VerdictReached.model_validate_json(verdict) if verdict else None,
            )
        except ValueError as error:
            # One run's must not end the leader's work for all; and what is lost may have been a person's hold.
            logger.error("memory of %s cannot be read, the run is held until it is resumed: %s", run.id, error)
            held_by = UNREADABLE
            return ControllerState(operator=OperatorState(held_by=held_by))

    async def remember(self, run: Run, *, verdict: VerdictReached) -> None:
        """Keep the verdict, and its chapter of the report. Raises DeposedError and LostError, as all that writes."""
        judged = chapter(verdict)
        await self._set(run, judged.model_dump_json() if judged else "", verdict=verdict.model_dump_json())

    async def keep(self, run: Run, operator: OperatorState) -> None:
        """Keep what people decided."""
        await self._set(run, operator=operator.model_dump_json())

    async def begin(self, run: Run, intent: Intent, dedupe_key: str, operator: OperatorState) -> None:
        """Keep the intent before anything is sent, and that the command that asked for it was handled."""
        await self._set(
            run, intent=intent.model_dump_json(), dedupe_key=dedupe_key, operator=operator.model_dump_json()
        )

    async def restore(self, run: Run, control: ControllerState) -> None:
        """Write down what this controller remembers of a run, where Redis has lost it."""
        fields = {"operator": control.operator.model_dump_json(), "dedupe_key": control.dedupe_key}
        if control.verdict:
            fields["verdict"] = control.verdict.model_dump_json()
        if control.intent:
            fields["intent"] = control.intent.model_dump_json()
        await self._set(run, **fields)

    async def tell(self, decision: DecisionTaken, *, dedupe_key: str, ends_intent: bool = False) -> None:
        """Publish a decision, unless it was the last one, and close the open intent if it `ends_intent`."""
        run = decision.run.id
        entry = to_entry(seal(decision, source=SOURCE, now=self._clock(), traceparent=traces.current()))
        answer = await self._tell(
            entry,
            control_key=self._keys.control(run),
            decisions_key=self._keys.stream("decisions"),
            term_key=self._keys.term(self._cluster),
            story_key=self._keys.story(run),
            memory_key=self._keys.memory,
            term=self._term,
            generation=self.position.generation,
            written=self.position.written,
            event=decision.event_id(),
            dedupe_key=dedupe_key,
            ends_intent=int(ends_intent),
            control_seconds=KEPT_SECONDS,
            max_entries=self._max_entries,
            chapter=Decided(decision=decision).model_dump_json(),
            story_seconds=self._kept,
        )
        self._written(answer)
        self._on_published(decision)

    async def _set(self, run: Run, chapter: str = "", **fields: str) -> None:
        answer = await self._remember(
            fields,
            control_key=self._keys.control(run.id),
            term_key=self._keys.term(self._cluster),
            story_key=self._keys.story(run.id),
            memory_key=self._keys.memory,
            term=self._term,
            generation=self.position.generation,
            written=self.position.written,
            control_seconds=KEPT_SECONDS,
            chapter=chapter,
            story_seconds=self._kept,
        )
        self._written(answer)

    def _written(self, answer: int) -> None:
        if answer == -2:
            self.lost.set()
            raise LostError("Redis has lost data")
        if answer < 0:
            raise DeposedError("another controller leads by now")
        if self.position.generation:
            self.position = max(self.position, self.position._replace(written=answer))
