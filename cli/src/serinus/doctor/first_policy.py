"""A first policy of what a Prometheus has: each row of the table of instrumentations is looked for, and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml
from pydantic import ValidationError
from serinus_collecting.answers import counted
from serinus_collecting.ports import Provider, TooMuchError
from serinus_collecting.prometheus import UnknownNamesError
from serinus_contracts import AnalysisPlan, CanaryPolicy, Matcher, PlanMetric, Selector
from serinus_contracts.base import Millis
from serinus_contracts.plan import Queried
from serinus_contracts.weight import weight_text
from serinus_counting.series import Series
from serinus_judging.sequential.bucket_reach import bucket_reach
from serinus_rollouts.instrumentations import TABLE, Instrumentation, rows_of
from serinus_rollouts.resolve import LATENCY_MARGIN, UnfitPolicyError, resolve
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import ADD_STEPS, NOTHING_TO_JUDGE, Stage, pause_before_the_first_weight, stages

from serinus.doctor.measured import Seen, count
from serinus.doctor.policy import run_of
from serinus.doctor.proposal import errors, latency, source, sources, with_hash
from serinus.doctor.words import flow, plain

REACH_MS = 300_000
MEMORY = "container_memory_usage_bytes"
NAMES = "docs/reference/instrumentations.md"
_EXAMPLE = {"name": "errors", "events": "'errors_total'", "trials": "'requests_total'"}
# Of a Rollout that has nothing to judge yet, so that its metrics can be measured all the same.
_SOME_STAGE = (Stage(5, 0, (1,), False),)


@dataclass
class Found:
    """What a Prometheus has of a Rollout, asked once a name; `too_much`: what was too large to be read."""

    provider: Provider
    seen: RolloutView
    now: Millis
    known: dict[str, Sequence[Series]] = field(default_factory=dict)
    too_much: list[str] = field(default_factory=list)

    async def series(self, name: str) -> Sequence[Series]:
        """All series of a metric in the last minutes; where they are too many to be read those of the namespace, and
        none with a note where these are too. Raises ProviderError."""
        if name not in self.known:
            here = Matcher(label="namespace", value=self.seen.namespace)
            try:
                self.known[name] = await self._asked(Selector(name=name))
            except TooMuchError as error:
                self.known[name] = found = await self._asked_here(Selector(name=name, matchers=(here,)))
                self.too_much += [] if found else [f"{name} is left out: {error}"]
        return self.known[name]

    async def _asked(self, selector: Selector) -> Sequence[Series]:
        try:
            return (await self.provider.samples(selector, self.now, REACH_MS)).read().series
        except UnknownNamesError:  # such a server has no series of this name
            return ()

    async def _asked_here(self, selector: Selector) -> Sequence[Series]:
        try:
            return await self._asked(selector)
        except TooMuchError:
            return ()

    async def measured(self, split: Sequence[str], metric: Mapping[str, str]) -> Seen | None:
        """One measurement of a metric by a source, None where the policy would be refused. Raises ProviderError."""
        document = {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "CanaryPolicy",
            "metadata": {"name": self.seen.name},
            "spec": {
                "match": {"namespace": self.seen.namespace, "name": self.seen.name},
                "source": yaml.safe_load(f"{{{', '.join(split)}}}"),
                "metrics": [yaml.safe_load(flow(metric))],
            },
        }
        try:
            policy, run = CanaryPolicy.model_validate(document), run_of(self.seen)
            plan = resolve(
                policy, run, stages(self.seen.steps) or _SOME_STAGE, self.seen.ping_pong, grpc=self.seen.grpc
            )
        except (ValidationError, UnfitPolicyError):
            return None
        return await self._count(plan, plan.metrics[0])

    async def _count(self, plan: AnalysisPlan, metric: PlanMetric) -> Seen | None:
        assert not isinstance(metric.source, Queried)
        try:
            answer = (await self.provider.samples(metric.source.query, self.now, REACH_MS)).read()
        except TooMuchError as error:
            self.too_much.append(f"{metric.source.query} is left out: {error}")
            return None
        one = count(plan, metric, counted(plan, metric, answer), self.now, releasing=False)
        return one if one.stable.series else None


@dataclass
class Chosen:
    """The row and the source that a policy begins with; `refused`: what was found and cannot be judged, and why."""

    row: Instrumentation | None = None
    split: Sequence[str] | None = None
    refused: list[str] = field(default_factory=list)

    @property
    def preset(self) -> str:
        """The source's preset."""
        return (self.split or ("",))[0].removeprefix("preset: ")


async def choose(found: Found, services: tuple[str, str], ingress: str) -> Chosen:
    """The first row of the table whose requests are there, can be split and are counted; where none counts now, the
    first that is no error, since it may only want traffic."""
    chosen, asked = Chosen(), set()
    for row in TABLE:
        series = await found.series(row.names.requests)
        if not {label for one in series for label in one.labels}.intersection(row.names.status_labels):
            continue
        for split in sources(row, series, found.seen, services, ingress):
            metric = errors(row, split[0].removeprefix("preset: "))
            if (key := (*split, *metric.values())) in asked:
                continue
            asked.add(key)
            one = await found.measured(split, metric)
            if one is None:
                continue
            if one.measurement.status == "error":
                chosen.refused.append(f"{row.names.requests} cannot be judged: {one.measurement.detail}")
                continue
            if one.measurement.status == "ok":
                chosen.row, chosen.split = row, split
                return chosen
            if chosen.row is None:
                chosen.row, chosen.split = row, split
    return chosen


async def write(
    provider: Provider, seen: RolloutView, services: tuple[str, str], now: Millis, ingress: str = ""
) -> tuple[str, list[str]]:
    """The policy as YAML, and what a person has to know or to do; `services` are those of canary and stable, `ingress`
    the stable one, empty where there are none. Raises ProviderError."""
    found = Found(provider, seen, now)
    every = [one for row in TABLE for one in await found.series(row.names.requests)]
    seen = found.seen = with_hash(seen, every)
    chosen = await choose(found, services, ingress)
    notes, adapt, metrics = list(chosen.refused), "", []
    if chosen.split is None:
        every += [one for row in TABLE if row.names.latency for one in await found.series(row.names.latency)]
        chosen.split = source(every, seen, services)
    if chosen.split is None:
        adapt = "  # adapt: which label tells canary from stable?"
        named = sorted(name for name, series in found.known.items() if series)
        there = f"; there are {', '.join(named)}" if named else ""
        notes.append(f"no series that {NAMES} knows names the pods, hashes or services of {seen.key}{there}")
        chosen.split = ["preset: pod-name"]
    if chosen.row is not None:
        metrics.append(flow({**errors(chosen.row, chosen.preset), "critical": "true"}))
        notes += await _traps(found, chosen.row)
    else:
        notes.append(f"no counter of requests with their status was found: errors are written as an example, give your "
                     f"own events and trials, or one of the names in {NAMES}")  # fmt: skip
        metrics.append(flow({**_EXAMPLE, "critical": "true"}) + "  # adapt")
    durations, more = await _latency(found, chosen)
    metrics += durations
    notes += more
    memory = await found.series(MEMORY)
    if any(one.labels.get("pod", "").startswith(f"{seen.name}-") for one in memory):
        metrics.append("{name: memory, preset: container-memory}")
    return _document(seen, chosen.split, metrics, adapt), [*notes, *found.too_much, *_of_steps(seen)]


async def _latency(found: Found, chosen: Chosen) -> tuple[list[str], list[str]]:
    """The metric of latency, of the row of the errors if it has one, and what is to say of it."""
    rows = [chosen.row] if chosen.row else [row for row in TABLE if row.preset == "pod-name"]
    notes = []
    for row in rows:
        if not row.names.latency or not chosen.split:
            continue
        metric = latency(row, chosen.preset)
        one = await found.measured(chosen.split, metric)
        if one is None:
            continue
        if one.measurement.status == "error":
            notes.append(f"{row.names.latency} cannot be judged: {one.measurement.detail}")
            continue
        if sum(one.stable.buckets):
            reach = bucket_reach(one.stable.edges, one.stable.buckets, LATENCY_MARGIN.ratio)
            notes += [] if reach.exact else [f"latency: {reach.text}; {reach.fix}"]
        return [flow({**metric, "critical": "true"})], notes
    wanted = (chosen.row.names.latency if chosen.row else "") or "histogram of durations"
    return [], [*notes, f"there is no {wanted}: latency is not judged; name yours by histogram"]


async def _traps(found: Found, row: Instrumentation) -> list[str]:
    labels = [one.labels for one in await found.series(row.names.requests)]
    rows = [one for one in rows_of(row.names.requests, labels) if one.preset == row.preset]
    return [f"{one.name}: {text}" for one in rows for text in (one.traps, one.blind) if text]


def _of_steps(seen: RolloutView) -> list[str]:
    found, notes = stages(seen.steps), []
    if not found:
        notes.append(f"{seen.key} {NOTHING_TO_JUDGE}; {ADD_STEPS}")
    elif not any(stage.gates for stage in found):
        notes.append("the Rollout has no `pause: {}`: verdicts could only abort, never advance")
    if paused := pause_before_the_first_weight(seen):
        notes.append(paused)
    return notes


def _document(seen: RolloutView, split: Sequence[str], metrics: Sequence[str], adapt: str = "") -> str:
    weights = ", ".join(weight_text(stage.weight) for stage in stages(seen.steps))
    lines = [
        "apiVersion: serinus.dev/v1alpha1",
        "kind: CanaryPolicy",
        f"metadata: {{name: {plain(seen.name)}}}",
        "spec:",
        f"  match: {{namespace: {plain(seen.namespace)}, name: {plain(seen.name)}}}",
        "  mode: shadow          # says what it would do, and does nothing; then guard (abort only), then enforce",
        "  interval: 30s",
        f"  minimum: 5m           # of each stage: {weights or 'the Rollout has no setWeight yet'}",
        "  maximum: 1h",
        f"  source: {{{', '.join(split)}}}{adapt}",
        "  metrics:",
        *(f"  - {metric}" for metric in metrics),
    ]
    return "\n".join(lines) + "\n"
