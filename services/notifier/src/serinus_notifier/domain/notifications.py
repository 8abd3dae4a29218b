"""What is worth telling people of, to whom, and in which words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from string import Formatter
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, SecretStr
from serinus_contracts import DecisionTaken, Event, RolloutObserved, VerdictReached
from serinus_contracts.base import Contract, Document, Millis, Seconds
from serinus_contracts.events import Reason
from serinus_contracts.plain import plain
from serinus_contracts.wording import moment
from serinus_readmodel.run_view import ACTS

Kind = Literal["aborted", "would_abort", "not_done", "held", "approval_needed", "promoted", "cannot_judge"]
By = Literal["", "verdict", "controller"]
CANNOT_JUDGE = ("no_data", "provider_error")
# A decision tells who aborted and why; the Rollout alone, a moment earlier or later, only that it was.
FOR_THE_DECISION_MS = 30_000
# Argo's own slowness, or a moment without an API server, is no news.
FOR_THE_ACT_MS = 10_000
DEFAULT_AFTER: dict[Kind, float] = {"held": 3600.0, "cannot_judge": 120.0}
HEADLINES: dict[Kind, str] = {
    "aborted": "aborted",
    "would_abort": "would abort (dry run)",
    "not_done": "action failed",
    "held": "on hold",
    "approval_needed": "approval needed",
    "promoted": "promoted",
    "cannot_judge": "no analysis",
}


class Cause(Contract):
    """One thing that people are told once; `id` names it. It is told `wait` ms after `since`, a lasting one after what
    its rule says and only if it goes on until then: `by` says whose word that is."""

    id: str
    kind: Kind
    cluster: str
    namespace: str
    name: str
    run: str
    step: int
    since: Millis
    wait: int = 0
    text: str
    by: By = ""

    @property
    def rollout(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


FIELDS = ("kind", "headline", "cluster", "namespace", "name", "rollout", "run", "step", "time", "text", "link")


def _fits(template: str) -> str:
    known = ", ".join("{" + name + "}" for name in FIELDS)
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"no template: {error}; write {{{{ for a brace") from None
    for _, name, spec, conversion in parts:
        if name is not None and (name not in FIELDS or spec or conversion):
            raise ValueError(f"unknown field {{{name}}}; known: {known}")
    return template


Template = Annotated[str, AfterValidator(_fits)]


class Rule(Document):
    """Who is told of what."""

    namespaces: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]
    after: Seconds | None = Field(None, description="for held and cannot_judge: how long it lasts before it is told")
    to: Annotated[tuple[str, ...], Field(min_length=1)]

    def wants(self, cause: Cause) -> bool:
        """Whether the rule is about this kind of cause, in this namespace."""
        return cause.kind in self.kinds and any(fnmatchcase(cause.namespace, one) for one in self.namespaces)


class Notifications(Document):
    """The notifier's file. `console`: address of the page, for links; a template gives a message's text."""

    channels: Annotated[dict[str, SecretStr], Field(min_length=1)]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    templates: dict[Kind, Template] = {}
    console: str = ""


@dataclass(frozen=True)
class Due:
    """A cause for one channel, told at `at` (ms) if it holds then."""

    cause: Cause
    channel: str
    at: Millis

    @property
    def id(self) -> str:
        """Names the message: one cause for one channel."""
        return f"{self.cause.id}|{self.channel}"


def causes(event: Event, told_ms: Millis) -> Iterator[Cause]:
    """What an event that was told at a time gives people to know."""
    if isinstance(event, DecisionTaken):
        yield from _of_decision(event)
    elif isinstance(event, RolloutObserved):
        if event.outcome == "promoted":
            yield _cause(event, "promoted", "", event.step, told_ms, "the new version serves all traffic")
        elif event.outcome == "aborted":
            text = "all traffic goes back to the previous version"
            yield _cause(event, "aborted", "", event.step, told_ms, text, wait=FOR_THE_DECISION_MS)
    elif isinstance(event, VerdictReached) and event.verdict == "hold":
        yield _cause(event, "held", _HELD(event.step), event.step, event.since, event.sentence, by="verdict")
        if event.reason in CANNOT_JUDGE:
            about = _UNJUDGED(event.step)
            yield _cause(event, "cannot_judge", about, event.step, event.since, event.sentence, by="verdict")


def ended(event: Event) -> Iterator[str]:
    """The ids of lasting causes that an event ends, if they had begun."""
    if isinstance(event, VerdictReached) and event.changed:
        if event.verdict != "hold":
            yield f"held:{event.run.id}:{_HELD(event.step)}"
        if event.reason not in CANNOT_JUDGE:
            yield f"cannot_judge:{event.run.id}:{_UNJUDGED(event.step)}"


_HELD = "{}:verdict".format
_UNJUDGED = "{}:metrics".format


def _of_decision(event: DecisionTaken) -> Iterator[Cause]:
    step, when, said = event.step, event.decided, event.detail
    if event.action in ACTS and event.state == "failed":
        yield _cause(event, "not_done", f"{step}:{event.action}", step, when, event.sentence)
    elif event.action in ACTS and event.state == "waiting":
        about = f"{step}:{event.action}"
        yield _cause(event, "not_done", about, step, when, event.sentence, wait=FOR_THE_ACT_MS, by="controller")
    elif event.action == "abort" and event.state == "confirmed":
        yield _cause(event, "aborted", "", step, when, event.request or f"{said} (by {event.actor})")
    elif event.action == "abort":
        yield _cause(event, "would_abort", "", step, when, said)
    elif event.action == "await_approval":
        yield _cause(event, "approval_needed", str(step), step, when, said)
    elif event.action == "hold" and event.cause.startswith("no-verdict"):
        yield _cause(event, "cannot_judge", f"{step}:{event.cause}", step, when, said, by="controller")
    elif event.action == "hold" and said not in get_args(Reason):
        yield _cause(event, "held", f"{step}:{said}", step, when, event.sentence, by="controller")


def _cause(
    event: Event, kind: Kind, about: str, step: int, since: Millis, text: str, *, wait: int = 0, by: By = ""
) -> Cause:
    run = event.run
    return Cause(
        id=f"{kind}:{run.id}" + (f":{about}" if about else ""),
        kind=kind,
        cluster=run.cluster,
        namespace=run.namespace,
        name=run.name,
        run=run.id,
        step=step,
        since=since,
        wait=wait,
        text=text,
        by=by,
    )


def dues(rules: Sequence[Rule], cause: Cause) -> list[Due]:
    """To whom the cause is told, once each, and when: by the rule that tells it first."""
    found: dict[str, Due] = {}
    for rule in rules:
        if not rule.wants(cause):
            continue
        after = DEFAULT_AFTER.get(cause.kind, 0.0) if rule.after is None or not cause.by else rule.after
        at = cause.since + cause.wait + round(after * 1000)
        for channel in rule.to:
            if channel not in found or at < found[channel].at:
                found[channel] = Due(cause, channel, at)
    return list(found.values())


def goes_on(cause: Cause, seen: RolloutObserved | None, said: VerdictReached | None) -> bool:
    """Whether a cause that lasts still holds, by where the run stands and the verdict it got last."""
    if not cause.by:
        return True
    if seen is None or seen.outcome or seen.step != cause.step:
        return False
    if cause.by == "verdict":
        held = said is not None and said.verdict == "hold"
        return held and (cause.kind == "held" or (said is not None and said.reason in CANNOT_JUDGE))
    return cause.kind in ("held", "not_done") or said is None or said.end < cause.since


# Some chats read markup even in what is sent as text: a link whose words say another address, a call to all.
_LINK, _CALL = "](", re.compile(r"@(?=(?:all|channel|everyone|here)\b)")


def _inert(text: str) -> str:
    return _CALL.sub("@\u200b", plain(text).replace(_LINK, "] ("))


def words(config: Notifications, cause: Cause) -> tuple[str, str]:
    """Title and text of a message."""
    values = {
        "kind": cause.kind,
        "headline": HEADLINES[cause.kind],
        "cluster": cause.cluster,
        "namespace": cause.namespace,
        "name": cause.name,
        "rollout": cause.rollout,
        "run": cause.run,
        "step": cause.step,
        "time": moment(cause.since),
        "text": _inert(cause.text),
        "link": f"{config.console.rstrip('/')}/runs/{cause.run}" if config.console else "",
    }
    template = config.templates.get(cause.kind, "{text}\nsince {time}, step {step}\n{link}")
    return f"{cause.rollout}: {HEADLINES[cause.kind]}", template.format(**values).strip()
