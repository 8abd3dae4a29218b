"""Snapshots of many runs, as collectors would have published them: six metrics, three pods an arm."""

from collections.abc import Iterator
from copy import copy

import numpy as np
from serinus_contracts import AnalysisPlan, Keys, MetricsCollected, seal, to_entry
from serinus_contracts.events import Pod, Proportion, Run, Window
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_runtime.redis import Client
from serinus_runtime.streams import ensure_group

from benchmarks._cost import _six, snapshot

INTERVAL_MS = 30_000
TOGETHER = 500
_UID, _END, _FOLLOWS = "uid-to-be", 8_888_888_888_888, 7_777_777_777_777
VARIANTS = 8


class Looks:
    """Entries of snapshots, made by filling run, end and follows into a few drawn ones: publishing must cost little."""

    def __init__(self, plan: AnalysisPlan) -> None:
        random = np.random.default_rng(1)
        self.digest, self.canonical = plan.digest, plan.canonical
        self._entries = [self._entry(plan, random) for _ in range(VARIANTS)]

    def under(self, digest: str, canonical: str) -> "Looks":
        """The same, under the plan of another build as it has it in Redis."""
        made = copy(self)
        made.digest, made.canonical = digest, canonical.encode()
        made._entries = [
            {name: text.replace(self.digest, digest) for name, text in one.items()} for one in self._entries
        ]
        return made

    def _entry(self, plan: AnalysisPlan, random: np.random.Generator) -> dict[str, str]:
        metrics = _six(plan, random)
        window = Window(begin=_FOLLOWS, end=_END)
        for name, counted in metrics.items():
            metrics[name] = one = counted.model_copy(update={"window": window})
            if isinstance(one, Proportion):
                arms = {arm: _spread(arm, *next(iter(getattr(one, arm).values()))) for arm in ("canary", "stable")}
                metrics[name] = one.model_copy(update=arms)
        run = Run(cluster="b", namespace="shop", name="app", uid=_UID, canary_hash="new", stable_hash="old", attempt=1)
        pods = tuple(
            Pod(name=f"app-{arm}-{i}", arm=arm, started=1, ready=True)
            for arm in ("canary", "stable") for i in range(3)
        )  # fmt: skip
        made = snapshot(metrics, 1, 2, 0, 10).model_copy(
            update={"run": run, "plan": plan.digest, "follows": _FOLLOWS, "end": _END, "pods": pods}
        )
        return to_entry(seal(MetricsCollected.model_validate(made.model_dump()), source="/serinus/collector", now=0))

    def entry(self, run: int, number: int) -> dict[str, str]:
        """Snapshot `number` (from 1) of a run."""
        uid, end, follows = f"run-{run}", str(number * INTERVAL_MS), str((number - 1) * INTERVAL_MS)
        drawn = self._entries[(run + number) % VARIANTS]
        return {
            name: text.replace(_UID, uid).replace(str(_END), end).replace(str(_FOLLOWS), follows)
            for name, text in drawn.items()
        }

    def all(self, runs: int, snapshots: int, first: int = 1) -> Iterator[dict[str, str]]:
        """Snapshot by snapshot, each of all runs."""
        for number in range(first, first + snapshots):
            for run in range(runs):
                yield self.entry(run, number)


def _spread(arm: str, events: int, trials: int) -> dict[str, tuple[int, int]]:
    """The same counts, by three pods."""
    rest = (events - 2 * (events // 3), trials - 2 * (trials // 3))
    return {
        f"app-{arm}-0": (events // 3, trials // 3),
        f"app-{arm}-1": (events // 3, trials // 3),
        f"app-{arm}-2": rest,
    }


async def publish(client: Client, keys: Keys, snapshots: Looks, runs: int, count: int, first: int = 1) -> int:
    """Put the snapshots, with their plan and group, into the stream; gives how many."""
    await ensure_group(client, keys.stream("snapshots"), ANALYZER_GROUP)
    await client.set(keys.plan(snapshots.digest), snapshots.canonical)
    sent = 0
    pipe = client.pipeline(transaction=False)
    for entry in snapshots.all(runs, count, first):
        pipe.xadd(keys.stream("snapshots"), dict(entry))  # type: ignore[arg-type] # text to text
        sent += 1
        if sent % TOGETHER == 0:
            await pipe.execute()
    await pipe.execute()
    return sent
