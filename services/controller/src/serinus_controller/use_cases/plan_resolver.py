"""Which policy is for a Rollout, and the plan that it makes of a run. What does not fit is said to its team."""

from collections.abc import Callable, Sequence

from serinus_contracts import AnalysisPlan, Run
from serinus_contracts.policy import CanaryPolicy
from serinus_contracts.provider_namespaces import OPEN, ProviderAccess
from serinus_rollouts.policies import choose, is_of, matches, misfit
from serinus_rollouts.policy_warnings import warnings
from serinus_rollouts.resolve import UnfitPolicyError, resolve
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import stages

from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.notices import Notices


class PlanResolver:
    """`policies` gives those in force; `source_of` says where one was read, `access` who may use which provider.

    `refused` is called for each plan that was read back and is not gone on with.
    """

    def __init__(
        self,
        policies: Callable[[], Sequence[CanaryPolicy]],
        notices: Notices | None = None,
        access: ProviderAccess = OPEN,
        source_of: Callable[[CanaryPolicy], str] = lambda policy: "",
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._policies, self._access, self._source_of = policies, access, source_of
        self.notices, self.refused = notices or Notices(), refused
        self._unchecked: dict[str, str] = {}

    def closest(self, view: RolloutView) -> list[CanaryPolicy]:
        """The policies that are for a Rollout; several are a conflict."""
        return choose(self._policies(), view)

    def plan(self, policies: Sequence[CanaryPolicy], view: RolloutView, run: Run) -> AnalysisPlan | None:
        """The plan of a run by its closest policies; None, and a notice, if there is none that fits."""
        if not policies:
            return None
        if len(policies) > 1:
            names = ", ".join(policy.metadata.name for policy in policies)
            self.notices.say(view, policies, f"{view.key} is matched by several policies ({names}): none is applied")
            return None
        found = stages(view.steps)
        try:
            source = self._source_of(policies[0])
            plan = resolve(policies[0], run, found, view.ping_pong, self._access, source=source, grpc=view.grpc)
        except UnfitPolicyError as error:
            self.notices.say(view, policies, str(error))
            return None
        for number, text in enumerate(warnings(policies[0], found, view)):
            self.notices.say(view, policies, text, f"warning {number}")
        return plan

    def override(self, view: RolloutView, policy: CanaryPolicy, run: Run, source: str, command: str) -> AnalysisPlan:
        """The plan of a run by a policy as the command of this id changed it; `source`: where it was read.

        Raises UnfitPolicyError.
        """
        found, grpc = stages(view.steps), view.grpc
        return resolve(policy, run, found, view.ping_pong, self._access, source=source, override=command, grpc=grpc)

    def policy_of(self, live: LiveRun) -> CanaryPolicy | None:
        """The policy under which a run began, as it stands now; None where it is gone or not for the Rollout any more.

        Another namespace may have a policy of the same name, which is not for this Rollout.
        """
        named = [one for one in self._policies() if is_of(live.plan, one)]
        ours = [one for one in named if live.view and matches(one, live.view)]
        return ours[0] if len(ours) == 1 else None

    def unchecked(self, uid: str) -> str:
        """Why the plan of a Rollout's run, which was read back, is not to be advanced by; empty if it may be."""
        return self._unchecked.get(uid, "")

    def checked(self, plan: AnalysisPlan, view: RolloutView, run: Run) -> AnalysisPlan:
        """The plan that was read back, or another one if it does not agree with the policies; where none of them can
        be applied it goes on being judged by, and nothing is advanced before one can."""
        policies = self.closest(view)
        why = misfit(plan, policies)
        if not why:
            self.forget(view.uid)
            return plan
        new = self.plan(policies, view, run)
        if view.uid not in self._unchecked:
            self.refused()
        if new:
            self.forget(view.uid)
            text = f"its plan is not gone on with: {why}; planned again by policy {new.origin}"
        else:
            self._unchecked[view.uid] = f"its plan is not gone on with: {why}"
            text = f"{self._unchecked[view.uid]}; nothing is advanced until one can be applied"
        self.notices.say(view, policies, f"{view.key}: {text}", "checked")
        return new or plan

    def forget(self, uid: str) -> None:
        """The run of this Rollout has ended, or its plan is agreed with."""
        self._unchecked.pop(uid, None)
