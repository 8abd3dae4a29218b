"""How a run ended, as its headline: what became of it, by whom, when and why."""

from typing import NamedTuple

from serinus_contracts import DecisionTaken
from serinus_contracts.base import Millis
from serinus_contracts.wording import minute

from serinus_readmodel.run_view import RunView

_WORDS = {"promoted": "Promoted", "aborted": "Aborted", "superseded": "Superseded", "deleted": "Deleted"}
_ACTS = {"promoted": "promote", "aborted": "abort"}
_OTHERS = {
    "superseded": "another revision or attempt took its place",
    "deleted": "the Rollout was deleted or is no longer watched",
}


class Outcome(NamedTuple):
    """`at` is None where it is not known, as of runs that an earlier version ended."""

    what: str
    at: Millis | None
    why: str

    @property
    def text(self) -> str:
        """Such as: Aborted by alice at 22:02 UTC: customers complain."""
        when = f" at {minute(self.at)} UTC" if self.at else ""
        return f"{self.what}{when}" + (f": {self.why}" if self.why else "")


def outcome(view: RunView) -> Outcome | None:
    """None while the run goes on."""
    seen, act = view.observed, view.ending
    if seen.outcome is None:
        return None
    word = _WORDS[seen.outcome]
    if act is None or act.action != _ACTS.get(seen.outcome):
        return Outcome(word, seen.ended, _OTHERS.get(seen.outcome, ""))
    return Outcome(f"{word} by {'Serinus' if act.actor == 'serinus' else act.actor}", act.decided, _why(act))


def last_sentence(view: RunView) -> str:
    """The last verdict of a run that ended; empty while it goes on, and where the headline says the same."""
    ended = outcome(view)
    if ended is None or view.verdict is None or (ended.why and view.verdict.sentence.endswith(ended.why)):
        return ""
    return view.verdict.sentence


def _why(act: DecisionTaken) -> str:
    if act.asked:
        return act.reason
    return act.detail.removeprefix("abort: ").removeprefix("proceed: ")


def headline(view: RunView) -> str:
    """What to read first: how it ended, else what the last verdict says."""
    ended = outcome(view)
    if ended:
        return ended.text
    return view.verdict.sentence if view.verdict else ""
