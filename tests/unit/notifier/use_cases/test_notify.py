"""Telling what is due: until it has arrived, and only what still holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from serinus_contracts import Event, RolloutObserved, VerdictReached
from serinus_notifier.domain.notifications import Due, Notifications, Rule, causes
from serinus_notifier.use_cases.notify import MAX_TRIES, Leased, Notifier, Telemetry

from tests.support import observed, verdict
from tests.unit.notifier.domain.test_notifications import decision

pytestmark = pytest.mark.anyio
NOW = 1_700_000_000_000
CONFIG = Notifications(channels={"team": SecretStr("json://h")}, rules=(Rule(kinds=("aborted", "held"), to=("team",)),))


@dataclass
class FakeOutbox:
    """One cause that is due, and what became of it."""

    leased: Leased
    observed: RolloutObserved | None = None
    verdict: VerdictReached | None = None
    became: list[str] = field(default_factory=list)

    async def lease(self, limit: int) -> tuple[Sequence[Leased], float]:
        return [self.leased], 1.0

    async def standing(self, run: str) -> tuple[RolloutObserved | None, VerdictReached | None]:
        return self.observed, self.verdict

    async def told(self, leased: Leased) -> None:
        self.became.append("told")

    async def postpone(self, leased: Leased, at: int) -> None:
        self.became.append(f"again in {(at - leased.now) // 1000} s")

    async def drop(self, leased: Leased) -> None:
        self.became.append("dropped")

    async def waiting(self) -> int:
        return 1


@dataclass
class World:
    arrives: bool = True
    sent: list[str] = field(default_factory=list)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def tell(
        self, event: Event, tries: int = 1, channel: str = "team", said: VerdictReached | None = None
    ) -> str:
        (cause,) = causes(event, NOW)
        outbox = FakeOutbox(Leased(Due(cause, channel, NOW), tries, NOW), observed(), said)
        await Notifier(outbox, CONFIG, self._send, Telemetry(self.metrics)).step()
        (became,) = outbox.became
        return became

    async def _send(self, channel: str, title: str, text: str) -> bool:
        self.sent.append(title)
        return self.arrives

    def counted(self, result: str) -> float | None:
        labels = {"channel": "team", "result": result}
        return self.metrics.get_sample_value("serinus_notifications_total", labels)


async def test_what_arrives_is_told_and_what_does_not_is_tried_again_ever_later() -> None:
    assert await World().tell(decision()) == "told"
    for tries, pause in ((1, 2), (2, 4), (9, 512), (10, 600), (MAX_TRIES - 1, 600)):
        world = World(arrives=False)
        assert await world.tell(decision(), tries) == f"again in {pause} s"
        assert world.counted("failed") == 1


async def test_after_about_a_day_it_is_given_up_and_counted() -> None:
    world = World(arrives=False)
    assert await world.tell(decision(), MAX_TRIES) == "told"
    assert world.counted("given_up") == 1


async def test_a_hold_that_is_over_is_dropped_and_one_that_may_have_been_told_is_told() -> None:
    holds = verdict(verdict="hold", reason="insufficient_evidence")
    over = World()
    assert await over.tell(holds, said=verdict()) == "dropped"
    assert over.sent == []
    assert await World().tell(holds, said=holds) == "told"
    assert await World().tell(holds, tries=2, said=verdict()) == "told"


async def test_what_was_for_a_channel_that_is_gone_is_dropped() -> None:
    assert await World().tell(decision(), channel="gone") == "dropped"


async def test_one_that_cannot_be_told_for_no_foreseen_reason_keeps_no_other_and_is_given_up_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (cause,) = causes(decision(), NOW)
    became: list[tuple[str, str]] = []

    class Outbox(FakeOutbox):
        async def lease(self, limit: int) -> tuple[Sequence[Leased], float]:
            dues = [Due(cause.model_copy(update={"id": id_}), "team", NOW) for id_ in ("bad", "good")]
            return [Leased(due, MAX_TRIES, NOW) for due in dues], 1.0

        async def told(self, leased: Leased) -> None:
            became.append((leased.due.cause.id, "told"))

    async def send(channel: str, title: str, text: str) -> bool:
        sent.append(title)
        if len(sent) == 1:
            raise RuntimeError("a bug")
        return True

    sent: list[str] = []
    outbox = Outbox(Leased(Due(cause, "team", NOW), 1, NOW), observed())
    await Notifier(outbox, CONFIG, send, Telemetry(CollectorRegistry())).step()
    assert sorted(became) == [("bad", "told"), ("good", "told")]
    assert len([line for line in caplog.messages if line.startswith("skipping ")]) == 1
