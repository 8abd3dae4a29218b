"""Names of streams and keys. All begin with one hash tag, so that a script may touch several on a Redis Cluster."""

from dataclasses import dataclass
from typing import Literal

Stream = Literal["rollouts", "snapshots", "verdicts", "decisions", "commands"]
STREAMS: tuple[Stream, ...] = ("rollouts", "snapshots", "verdicts", "decisions", "commands")

ANALYZER_GROUP = "analyzer"
"""The group by which all analyzers share the snapshots."""


def controller_group(cluster: str) -> str:
    """The group of a cluster's controllers, of which one leads; clusters that share a Redis read each for itself."""
    return f"controller:{cluster}"


@dataclass(frozen=True)
class Keys:
    """Every key of one deployment; a second deployment in the same Redis takes another tag."""

    tag: str = "serinus"

    def stream(self, name: Stream) -> str:
        """A stream of events: entries as in `envelope.to_entry`."""
        return f"{{{self.tag}}}:{name}"

    @property
    def dead_letters(self) -> str:
        """Stream of entries that can never be read, each with its error and where it came from."""
        return f"{{{self.tag}}}:dead-letters"

    @property
    def due(self) -> str:
        """Sorted set of live runs by the time (ms) at which their next snapshot is due."""
        return f"{{{self.tag}}}:due"

    @property
    def pace(self) -> str:
        """Sorted set of namespaces by when (ms) the snapshots taken for them have come to their share of the time."""
        return f"{{{self.tag}}}:pace"

    @property
    def sent(self) -> str:
        """Hash from actors to how many bytes of commands each has sent within a minute, while Redis is full."""
        return f"{{{self.tag}}}:sent"

    def attempt(self, cluster: str, uid: str) -> str:
        """The last attempt seen of a Rollout."""
        return f"{{{self.tag}}}:attempt:{cluster}/{uid}"

    def term(self, cluster: str) -> str:
        """Number of the controller that leads a cluster; who led before has a smaller one and writes nothing."""
        return f"{{{self.tag}}}:term:{cluster}"

    @property
    def controllers(self) -> str:
        """Hash from clusters to what their controllers say of themselves, a ControllerStatus."""
        return f"{{{self.tag}}}:controllers"

    @property
    def memory(self) -> str:
        """Hash: `generation`, a random name of what Redis remembers, and `written`, how often a leader wrote."""
        return f"{{{self.tag}}}:memory"

    @property
    def ended(self) -> str:
        """Sorted set of the runs that have ended and whose story is kept, `namespace/name run`, by when (ms)."""
        return f"{{{self.tag}}}:ended"

    @property
    def archived(self) -> str:
        """Hash from where reports are archived to, to the end (ms) of the last run that was."""
        return f"{{{self.tag}}}:archived"

    def story(self, run: str) -> str:
        """List of the chapters of a run, from its beginning to its end."""
        return f"{{{self.tag}}}:story:{run}"

    def plan(self, digest: str) -> str:
        """String: the JSON of the plan with this digest."""
        return f"{{{self.tag}}}:plan:{digest}"

    def run(self, run: str) -> str:
        """Hash of one run, the controller's: what was observed last, and until when its weight is known."""
        return f"{{{self.tag}}}:run:{run}"

    def window(self, run: str) -> str:
        """Hash of the collector's own of a run: the end of its last snapshot, and the ends of its windows."""
        return f"{{{self.tag}}}:window:{run}"

    def evidence(self, run: str) -> str:
        """Hash of the analyzer's own of a run: its chain, the last verdict, the packed memory of judge and
        guardrails."""
        return f"{{{self.tag}}}:evidence:{run}"

    def control(self, run: str) -> str:
        """Hash of the controller's own memory of a run: open intent, approvals, last decision."""
        return f"{{{self.tag}}}:control:{run}"

    def notify(self, part: str) -> str:
        """The notifier's own: which messages are due and when, and which were sent."""
        return f"{{{self.tag}}}:notify:{part}"

    def session(self, digest: str) -> str:
        """String: a browser's bearer token, sealed by a key that only the browser's cookie holds."""
        return f"{{{self.tag}}}:session:{digest}"
