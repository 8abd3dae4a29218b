"""What people ask for, and what the controller did."""

from typing import Literal

from pydantic import Field, JsonValue

from serinus_contracts.base import Millis, Outline, Text
from serinus_contracts.events.run import Event
from serinus_contracts.policy import Mode

Action = Literal["advance", "promote", "abort", "hold", "await_approval", "retry", "override", "recorded", "refused"]
"""recorded: what a person asked for was written down, and nothing followed from it yet."""
Verb = Literal["approve", "advance", "abort", "hold", "resume", "retry", "override"]
State = Literal["intended", "waiting", "confirmed", "failed"]


class DecisionTaken(Event):
    """What the controller did, or in a weaker mode would have done, and what caused it.

    `intended`: the mode does not act, this is what would have happened. `waiting`: under way; `detail` says what keeps
    it, and the same decision follows as confirmed or failed. `confirmed`: acted and read back. `failed`: tried and not
    done; `detail` says why.
    """

    TYPE = "dev.serinus.decision.taken.v1"
    STREAM = "decisions"
    step: int = Field(description="index of the Rollout's step")
    action: Action = Field(description="what was decided")
    cause: str = Field(description="id of the verdict or command, or the name of a rule such as no-verdict")
    actor: Text = Field("serinus", description="who: serinus, or the person whose command it was")
    asked: Verb | None = Field(None, description="what a person asked for, if this answers a command")
    reason: Text = Field("", description="of the command, in the person's words")
    detail: Text = Field(description="for people: what came of it, or why it was decided")
    mode: Mode = Field(description="of the policy")
    state: State = Field(description="whether it was done")
    patch: tuple[dict[str, JsonValue], ...] = Field((), description="JSON patch that was sent, or would have been")
    before: Outline = Field({}, description="the Rollout before: version, phase, step, weight")
    after: Outline = Field({}, description="the same, as it was read back")
    decided: Millis = Field(description="when")

    @property
    def request(self) -> str:
        """Such as: abort by alice (customers complain). Empty if nobody asked."""
        return requested(self.asked, self.actor, self.reason) if self.asked else ""

    @property
    def sentence(self) -> str:
        """Who asked for what and why, and what came of it."""
        return f"{self.request}: {self.detail}" if self.request else self.detail

    def event_id(self) -> str:
        kept = f":waiting:{self.decided}" if self.state == "waiting" else ""
        return f"{self.run.id}:{self.step}:{self.action}:{self.cause}{kept}"

    def flat(self) -> dict[str, str]:
        return super().flat() | {"action": self.action, "state": self.state}


def requested(verb: Verb, actor: str, reason: str) -> str:
    """What a person asked for, in a few words."""
    return f"{verb} by {actor}" + (f" ({reason})" if reason else "")


class CommandIssued(Event):
    """What a person asked for. It names its run and step and expires, so that it cannot act on another release."""

    TYPE = "dev.serinus.command.issued.v1"
    STREAM = "commands"
    id: str = Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$", description="ULID, drawn once by the sender")
    verb: Verb = Field(description="what is asked for")
    step: int = Field(description="that the sender saw: approve and advance are refused at another")
    expires: Millis = Field(description="after this it is refused")
    actor: Text = Field(description="who asks")
    verified: bool = Field(False, description="the actor was authenticated by the console")
    groups: tuple[str, ...] = Field((), description="of the actor, where they were authenticated")
    reason: Text = Field("", description="in the person's words")
    change: dict[str, JsonValue] = Field({}, description="override: JSON merge patch of the policy's spec")
    force: bool = Field(False, description="advance: also before anything was evaluated at the present weight")

    def event_id(self) -> str:
        return self.id

    def flat(self) -> dict[str, str]:
        return super().flat() | {"verb": self.verb}
