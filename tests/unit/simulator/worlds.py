"""Worlds with a clock that tests move by hand."""

from __future__ import annotations

from typing import Any

from serinus_simulator.kubernetes.kinds import ROLLOUTS, Object
from serinus_simulator.kubernetes.patch import apply_json_patch, apply_merge_patch
from serinus_simulator.world.application import Application
from serinus_simulator.world.scenario import Scenario
from serinus_simulator.world.world import World

from tests.unit.simulator.clocks import ManualClock

STEPS = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]


class Handled:
    """A world of one rollout, shop/checkout, moved by hand."""

    def __init__(self, settings: dict[str, Any] | None = None, **rollout: Any) -> None:
        spec = {"name": "checkout", "namespace": "shop", "steps": STEPS} | rollout
        scenario = {"prometheus": {"scrape_interval": 1}, "rollouts": [spec]} | (settings or {})
        self.clock = ManualClock()
        self.world = World(Scenario.model_validate(scenario), self.clock)

    @property
    def app(self) -> Application:
        return self.world.apps["shop", "checkout"]

    @property
    def rollout(self) -> Object:
        return self.world.store.get(ROLLOUTS, "shop", "checkout")

    @property
    def status(self) -> Object:
        status: Object = self.rollout["status"]
        return status

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.catch_up()

    def release(self, tag: str = "v2", seconds: float = 1.0) -> None:
        self.world.release("shop", "checkout", f"registry.example.com/shop/checkout:{tag}")
        self.advance(seconds)

    def promote(self, seconds: float = 1.0) -> None:
        operations = [{"op": "remove", "path": "/status/pauseConditions"}]
        self.world.store.modify(ROLLOUTS, "shop", "checkout", lambda old: apply_json_patch(old, operations), "status")
        self.advance(seconds)

    def set_status(self, **fields: Any) -> None:
        self.world.store.modify(
            ROLLOUTS, "shop", "checkout", lambda old: apply_merge_patch(old, {"status": fields}), "status"
        )

    def set_spec(self, **fields: Any) -> None:
        self.world.store.modify(ROLLOUTS, "shop", "checkout", lambda old: apply_merge_patch(old, {"spec": fields}))
