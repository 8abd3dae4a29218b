"""`serinus rollout`: set the image of a Rollout and follow the release to its end.

Exit codes: 0 promoted (or set, without --wait), 1 error, 3 aborted, 4 inconclusive or not ended in time.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from serinus_contracts import DecisionTaken, Event, VerdictReached
from serinus_contracts.base import parse_duration
from serinus_contracts.weight import weight_text
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView

from serinus.board import BoardError
from serinus.cluster import Cluster, path, run, with_cluster
from serinus.connect import opened
from serinus.options import ABORTED, ERROR, INCONCLUSIVE, USAGE, Access, Output, Source, fail
from serinus.terminal import Terminal

POLL = 0.5

Name = Annotated[str, typer.Argument(help="The Rollout, as name or namespace/name.")]
Image = Annotated[str, typer.Argument(help="The new image.")]
Container = Annotated[str, typer.Option("--container", "-c", help="Which container, where the pods have several.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Follow the release until it has ended.")]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait, such as 90s or 2h; the release goes on.")]


def rollout(
    name: Name,
    image: Image,
    access: Access,
    source: Source,
    output: Output,
    wait: Wait = False,
    container: Container = "",
    timeout: Timeout = "2h",
) -> None:
    """Set a Rollout's image, and with --wait follow the release to its end.

    With your own rights. Exit codes: promoted 0, aborted 3, timeout 4.
    Shows verdicts where Redis or the console answers, else the Rollout's status alone. Ctrl-C ends the command only.
    """
    try:
        seconds = float(parse_duration(timeout))  # type: ignore[arg-type] # a duration gives a number
    except (ValueError, TypeError) as error:
        fail(f"--timeout: {error}", USAGE)
    quiet = output.data
    console = Terminal(stderr=quiet, soft_wrap=True)

    async def release(cluster: Cluster) -> None:
        place = cluster.place(name, access.namespace)
        change = await set_image(cluster, place, image, container, console)
        end = End("set", 0, "")
        if wait:
            follower = Follower(cluster, place, change, console)
            end = await follower.follow(source.beside_cluster(), seconds)
            console.print(f"{end.outcome}: {end.why}")
        if quiet:
            output.document({"rollout": "/".join(place), "image": image, "outcome": end.outcome, "why": end.why})
        raise typer.Exit(end.code)

    def interrupted() -> None:
        console.print(f"\nstopped watching; the release of {name} goes on. To end it: serinus abort {name}")

    run(with_cluster(access, release), interrupted)


@dataclass(frozen=True)
class ImageChange:
    """The image that a container was given.

    `before`: the pod hash that was there, empty if the image was set already; `generation`: the Rollout's, after.
    """

    container: str
    image: str
    before: str
    generation: int

    def stands(self, rollout: Any) -> bool:
        """Whether nobody has set another image since."""
        containers = rollout["spec"].get("template", {}).get("spec", {}).get("containers", ())
        return any((one["name"], one.get("image")) == (self.container, self.image) for one in containers)


async def set_image(
    cluster: Cluster, place: tuple[str, str], image: str, container: str, console: Terminal
) -> ImageChange:
    """Patch the image. Raises ClusterError."""
    for _ in range(5):
        found = await cluster.rollout(*place)
        if found is None:
            fail(f"there is no Rollout {'/'.join(place)}")
        spec = found["spec"]
        if "template" not in spec:
            owner = spec.get("workloadRef") or {}
            fail(f"the pods of {'/'.join(place)} are those of {owner.get('kind')} {owner.get('name')}: set it there")
        index, name = which(spec["template"]["spec"]["containers"], container, image)
        current = spec["template"]["spec"]["containers"][index]["image"]
        before = view(found)
        if current == image:
            if before.aborted:
                fail(f"{image} was tried and aborted: serinus retry {'/'.join(place)} tries it again", ABORTED)
            console.print(f"{'/'.join(place)} has the image {image} already")
            return ImageChange(name, image, "", before.generation)
        where = f"/spec/template/spec/containers/{index}"
        patch = [
            {"op": "test", "path": f"{where}/name", "value": name},
            {"op": "test", "path": f"{where}/image", "value": current},
            {"op": "replace", "path": f"{where}/image", "value": image},
        ]
        try:
            changed = await cluster.api.request(
                "PATCH", path(*place), body=patch, content_type="application/json-patch+json"
            )
        except ClusterError as error:
            if error.status not in (409, 422):
                raise
            continue  # somebody changed the containers in between
        console.print(f"{'/'.join(place)}: image of {name} set to {image}, was {current}")
        return ImageChange(name, image, before.current_hash, view(changed).generation)
    return fail(f"{'/'.join(place)} is being changed by somebody else again and again")


def which(containers: Sequence[dict[str, Any]], wanted: str, image: str) -> tuple[int, str]:
    """Index and name of the container whose image is meant: the named one, the only one, or the one of that image."""
    names = [str(one["name"]) for one in containers]
    if wanted:
        if wanted not in names:
            fail(f"there is no container {wanted}; there are {', '.join(names)}")
        return names.index(wanted), wanted
    same = [one["name"] for one in containers if _repository(str(one.get("image", ""))) == _repository(image)]
    chosen = names if len(names) == 1 else same
    if len(chosen) != 1:
        fail(f"several containers: say which by --container: {', '.join(names)}")
    return names.index(chosen[0]), chosen[0]


def _repository(image: str) -> str:
    """An image without tag and digest; a colon before the last slash belongs to a port."""
    plain = image.partition("@")[0]
    head, slash, last = plain.rpartition("/")
    return head + slash + last.partition(":")[0]


@dataclass(frozen=True)
class End:
    """How following a release ended: outcome, exit code, and why."""

    outcome: str
    code: int
    why: str


@dataclass
class Follower:
    """Follows one release to its end."""

    cluster: Cluster
    place: tuple[str, str]
    change: ImageChange
    console: Terminal
    _hash: str = ""
    _uid: str = ""
    _said: str = ""
    _reads: bool = False

    async def follow(self, source: Source, seconds: float) -> End:
        """Follow until the run ends, or for so many seconds."""
        last = time.monotonic() + seconds
        end: End | None = None
        # Beside the steps of the loop: while Redis is tried again, the first one could miss this revision.
        reading = asyncio.create_task(self._read(source))
        try:
            while end is None:
                end = await self._look()
                if end is None and time.monotonic() > last:
                    end = End("timeout", INCONCLUSIVE, f"not ended within {seconds:g} s; it goes on. {self._said}")
                if end is None:
                    await asyncio.sleep(POLL)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        return await self._explained(source, end) if self._reads else end

    async def _read(self, source: Source) -> None:
        """Say what is told of this release, until cancelled or lost; where nobody tells, say so."""
        try:
            async with opened(source) as board, aclosing(board.changes()) as changes:
                async for events in changes:
                    self._reads = True
                    for event in events:
                        self._tell(event)
        except BoardError as error:
            without = "verdicts come no more" if self._reads else "without verdicts"
            why = str(error).partition("\n")[0]
            self.console.print(f"{_now()}  {without}: {why}; shows the Rollout's status alone")

    async def _look(self) -> End | None:
        """One look at the Rollout; how it ended, if it has."""
        try:
            found = await self.cluster.rollout(*self.place)
        except ClusterError as error:
            if error.status in (401, 403):
                raise
            self._say(f"the API server does not answer, trying again: {error}")
            return None
        if found is None:
            return End("deleted", ERROR, "the Rollout was deleted")
        seen = view(found)
        if seen.generation >= self.change.generation and not self.change.stands(found):
            return End("superseded", ERROR, "another revision took its place")
        if (
            not seen.observed
            or seen.generation < self.change.generation
            or (seen.current_hash == self.change.before and not self._hash)
        ):
            return self._invalid(seen)
        if not self._hash:
            self._hash, self._uid = seen.current_hash, seen.uid
        if seen.current_hash != self._hash:
            return End("superseded", ERROR, "another revision took its place")
        self._say(_status(seen))
        return self._invalid(seen) or _end(seen)

    def _invalid(self, seen: RolloutView) -> End | None:
        invalid = seen.observed and seen.phase == "Degraded" and seen.message.startswith("InvalidSpec")
        return End("invalid", ERROR, seen.message) if invalid else None

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.console.print(f"{_now()}  {text}")

    def _tell(self, event: Event) -> None:
        if (event.run.uid, event.run.canary_hash) != (self._uid, self._hash):
            return
        if isinstance(event, VerdictReached) and event.changed:
            self.console.print(f"{_now()}  {event.sentence}")
        elif isinstance(event, DecisionTaken) and event.actor != "serinus":
            self.console.print(f"{_now()}  {event.detail}")

    async def _explained(self, source: Source, end: End) -> End:
        """The end with its reason as Serinus knows it."""
        if end.outcome in ("promoted", "aborted"):
            with suppress(BoardError):
                async with opened(source) as board:
                    for kept in await board.kept():
                        if kept.ended is not None and f"/{self._uid}/{self._hash}/" in kept.run:
                            report = await board.report(kept.run)
                            return End(end.outcome, end.code, report.why) if report else end
        return end


def _status(seen: RolloutView) -> str:
    weight = "" if seen.canary_weight is None else f", {weight_text(seen.canary_weight)} canary"
    message = f" ({seen.message})" if seen.message else ""
    return f"{seen.phase}{message}: step {min(seen.step, len(seen.steps))} of {len(seen.steps)}{weight}"


def _end(seen: RolloutView) -> End | None:
    """How a release that Argo has observed ended."""
    if seen.aborted:
        return End("aborted", ABORTED, seen.message or "aborted")
    if seen.stable_hash == seen.current_hash and seen.phase == "Healthy":
        return End("promoted", 0, "the new version serves all traffic")
    reasons = {pause.reason for pause in seen.pauses}
    if reasons & {"InconclusiveAnalysisRun", "InconclusiveExperiment"}:
        return End("inconclusive", INCONCLUSIVE, f"paused: {', '.join(sorted(reasons))}; a person decides")
    return None


def _now() -> str:
    return time.strftime("%H:%M:%S")
