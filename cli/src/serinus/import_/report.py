"""What a person should know beside the policy."""

from dataclasses import dataclass, field

from serinus_runtime.documents import Problem


@dataclass
class ImportReport:
    """What a person should know: `lost` is judged by Argo and not by the policy, `notes` change no judgement.

    `used` are the names of templates that were referred to.
    """

    lost: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def lose(self, *problems: Problem) -> None:
        """Each once, however many steps refer to the template."""
        self.lost += [problem for problem in dict.fromkeys(problems) if problem not in self.lost]

    def note(self, text: str) -> None:
        """What a person should know or finish by hand; the same is said once."""
        if text not in self.notes:
            self.notes.append(text)
