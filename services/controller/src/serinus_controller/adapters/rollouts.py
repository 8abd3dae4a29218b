"""Acting on Argo's custom resource: reading a Rollout and patching its status."""

from typing import Any

from serinus_rollouts import patches
from serinus_rollouts.kubernetes.api import ROLLOUTS, Api, ClusterError
from serinus_rollouts.patches import Patch
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView
from serinus_runtime import traces
from serinus_runtime.fair_slots import FairSlots

from serinus_controller.use_cases.ports import RefusedError

# Requests about Rollouts: thousands of acts that do not get on must not keep those of another namespace waiting.
ACTING_AT_ONCE = 16
# Not about what was asked: credentials that are renewed, a server that is slow or wants to be left in peace.
_NO_REFUSAL = (401, 408, 429)


class KubernetesRollouts:
    """The port for acting, on Argo's custom resource."""

    def __init__(self, api: Api) -> None:
        self._api, self._slots = api, FairSlots(ACTING_AT_ONCE)

    async def get(self, namespace: str, name: str) -> RolloutView | None:
        """The newest state, None if there is no such Rollout. Raises ClusterError."""
        try:
            async with self._slots.held(namespace):
                found = await self._api.find(f"{ROLLOUTS}/namespaces/{namespace}/rollouts/{name}")
                return None if found is None else view(found)
        except ValueError as error:
            raise ClusterError(f"Rollout {namespace}/{name}: {error}") from error

    async def patch_status(self, namespace: str, name: str, patch: Patch | dict[str, Any]) -> RolloutView | None:
        """What the patch has made of the Rollout, None if a test in it failed or the Rollout is gone.

        Raises RefusedError, or ClusterError for what is no answer to it.
        """
        kind = "application/json-patch+json" if isinstance(patch, list) else "application/merge-patch+json"
        path = f"{ROLLOUTS}/namespaces/{namespace}/rollouts/{name}"
        try:
            async with self._slots.held(namespace):
                with traces.span("patch", rollout=f"{namespace}/{name}"):
                    return view(await self._api.request("PATCH", f"{path}/status", body=patch, content_type=kind))
        except ClusterError as error:
            if not 400 <= error.status < 500 or error.status in _NO_REFUSAL:
                raise
            if await self._raced(path, patch, error):
                return None
            raise RefusedError(str(error), error.status, error.retry_after, error.said) from error
        except ValueError as error:
            raise ClusterError(f"Rollout {namespace}/{name}: {error}") from error

    async def _raced(self, path: str, patch: Patch | dict[str, Any], error: ClusterError) -> bool:
        """Whether the Rollout is gone, or is not what the patch was made for.

        A failed test is answered as a refusal by admission often is, so only the object tells them apart.
        """
        if error.status == 409 and error.said.startswith("Operation cannot be fulfilled"):
            return True
        if error.status not in (404, 409, 422):
            return False
        try:
            document = await self._api.request("GET", path)
        except ClusterError as missing:
            if missing.status == 404:
                return True
            raise
        return isinstance(patch, list) and not patches.holds(patch, document)
