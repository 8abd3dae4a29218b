"""What our view of a Rollout says at each point of its way, on every cluster alike."""

import asyncio
from typing import Any

import pytest
from serinus_controller.domain.observe import outcome_of
from serinus_rollouts.progress import progress
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt
from serinus_rollouts.stages import stage_at, stages, weight_in_force

from tests.contract.rollouts.cluster import GATED, Cluster, intent, run

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


def weight(seen: RolloutView) -> tuple[float, float, bool]:
    return weight_in_force(seen, stages(seen.steps), canary_pods=1, pods=3)


async def test_a_fresh_rollout_is_healthy_without_releasing_anything(cluster: Cluster) -> None:
    seen = await cluster.see(await cluster.make())
    assert (seen.phase, seen.releasing, seen.step, len(seen.steps)) == ("Healthy", False, 6, 6)
    assert seen.current_hash == seen.stable_hash
    assert outcome_of(run(seen), seen) == "promoted"


async def test_a_pause_without_end_is_a_gate_with_its_weight_in_force(cluster: Cluster) -> None:
    seen = await cluster.see(await cluster.released())
    assert (seen.at_gate, seen.releasing, seen.step, seen.phase) == (True, True, 1, "Paused")
    assert stage_at(stages(seen.steps), seen.step) == 0
    assert weight(seen) == (5, 5, True)
    assert seen.pauses[0].started_ms > 0


async def test_a_timed_pause_is_no_gate_and_argo_goes_on_by_itself(cluster: Cluster) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 5}, {"pause": {"duration": "3s"}}, {"setWeight": 50}, {"pause": {}}]
    name = await cluster.make(steps)
    await cluster.release(name)
    timed = await cluster.until(name, lambda seen: seen.step == 1 and bool(seen.pauses), "the timed pause")
    assert not timed.at_gate
    assert (await cluster.at_gate(name, 3)).step == 3


async def test_while_the_next_weight_is_set_it_is_not_in_force(cluster: Cluster) -> None:
    name = await cluster.released()
    await cluster.promote_by_hand(name)
    stages_seen: list[tuple[int, bool]] = []

    def watched(seen: RolloutView) -> bool:
        stages_seen.append((seen.step, weight(seen)[2]))
        return seen.at_gate and seen.step == 3

    await cluster.until(name, watched, "the next gate")
    assert all(not steady for step, steady in stages_seen if step == 2)
    assert stages_seen[-1] == (3, True)


async def test_an_abort_shows_degraded_at_the_first_step_with_all_traffic_on_stable(cluster: Cluster) -> None:
    name = await cluster.released()
    await cluster.abort_by_hand(name)
    seen = await cluster.aborted(name)
    assert (seen.step, seen.at_gate, seen.canary_weight or 0) == (0, False, 0)
    assert outcome_of(run(seen), seen) == "aborted"


async def test_a_retry_brings_the_same_hash_back_as_another_attempt(cluster: Cluster) -> None:
    name = await cluster.released()
    first = Attempt.first(await cluster.see(name))
    await cluster.abort_by_hand(name)
    aborted = first.following(await cluster.aborted(name))
    await cluster.patch(name, {"status": {"abort": False}}, "/status")
    again = aborted.following(await cluster.at_gate(name, 1))
    assert (again.hash, aborted.number, again.number) == (first.hash, 1, 2)


async def test_a_new_revision_during_a_run_supersedes_it(cluster: Cluster) -> None:
    name = await cluster.released()
    before = await cluster.see(name)
    await cluster.release(name, "3")
    after = await cluster.until(
        name, lambda seen: seen.at_gate and seen.current_hash != before.current_hash, "the third template's first gate"
    )
    assert outcome_of(run(before), after) == "superseded"
    assert Attempt.first(before).following(after).number == 2
    assert after.step == 1


async def test_a_rollback_during_a_run_supersedes_it_and_is_healthy_at_once(cluster: Cluster) -> None:
    name = await cluster.released()
    before = await cluster.see(name)
    await cluster.release(name, "1")
    after = await cluster.promoted(name)
    assert after.current_hash == after.stable_hash == before.stable_hash
    assert outcome_of(run(before), after) == "superseded"


async def test_promote_full_ends_the_run_as_promoted(cluster: Cluster) -> None:
    name = await cluster.released()
    before = await cluster.see(name)
    await cluster.patch(name, {"status": {"promoteFull": True}}, "/status")
    after = await cluster.promoted(name)
    assert outcome_of(run(before), after) == "promoted"


async def test_a_rollout_that_is_paused_by_hand_waits_at_no_gate(cluster: Cluster) -> None:
    name = await cluster.released()
    await cluster.patch(name, {"spec": {"paused": True}})
    seen = await cluster.until(name, lambda seen: seen.spec_paused and seen.observed, "the pause by hand")
    assert not seen.at_gate
    await cluster.patch(name, {"spec": {"paused": False}})
    assert (await cluster.at_gate(name, 1)).step == 1


async def test_a_scaler_bumps_the_generation_and_the_gate_and_its_pause_stay(cluster: Cluster) -> None:
    name = await cluster.released()
    before = await cluster.see(name)
    await cluster.patch(name, {"spec": {"replicas": 3}})
    after = await cluster.until(
        name, lambda seen: seen.at_gate and seen.generation > before.generation, "the gate after scaling"
    )
    assert (after.step, after.pauses) == (before.step, before.pauses)
    assert weight(after) == (5, 5, True)


async def test_edited_steps_begin_anew_with_another_hash_of_the_steps(cluster: Cluster) -> None:
    name = await cluster.released()
    before = await cluster.see(name)
    edited = [{"setWeight": 10}, *GATED[1:]]
    await cluster.patch(name, [{"op": "replace", "path": "/spec/strategy/canary/steps", "value": edited}])
    after = await cluster.until(
        name, lambda seen: seen.at_gate and weight(seen) == (10, 10, True), "the new first gate"
    )
    assert after.step_hash != before.step_hash
    assert after.current_hash == before.current_hash


async def test_without_traffic_routing_pods_are_the_weight(cluster: Cluster) -> None:
    seen = await cluster.see(await cluster.released(routed=False))
    assert not seen.routed
    assert weight_in_force(seen, stages(seen.steps), canary_pods=1, pods=2) == (5, 50, True)
    assert not weight_in_force(seen, stages(seen.steps), canary_pods=0, pods=2)[2]


async def test_with_a_workload_the_hash_tells_what_the_generation_does_not(cluster: Cluster) -> None:
    name = await cluster.make_from_workload()
    before = await cluster.see(name)
    await cluster.release_workload(name, "2")
    after = await cluster.at_gate(name, 1)
    assert after.current_hash != before.current_hash
    assert after.observed


async def test_a_deleted_rollout_is_gone_and_a_namesake_is_another(cluster: Cluster) -> None:
    name = await cluster.released()
    before = await cluster.see(name)
    await cluster.delete(name)
    async with asyncio.timeout(30):
        while await cluster.rollouts.get(cluster.namespace, name) is not None:
            await asyncio.sleep(0.05)
    after = await cluster.see(await cluster.make(name=name, routed=False))
    assert after.uid != before.uid
    assert progress(intent("abort", before), before.current_hash, before.uid, after).next == "lost"


async def test_pods_that_never_become_ready_leave_the_weight_where_it_was(cluster: Cluster) -> None:
    name = await cluster.make(progressDeadlineSeconds=5)
    await cluster.release(name, "2", tag="never-ready")
    seen = await cluster.until(name, lambda seen: seen.phase == "Degraded", "the progress deadline")
    assert (seen.aborted, seen.releasing, seen.step) == (False, True, 0)
    assert weight(seen)[1:] == (0, False)
    assert outcome_of(run(seen), seen) is None


async def test_weights_are_parts_of_the_max_traffic_weight(cluster: Cluster) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 500}, {"pause": {}}]
    name = await cluster.released(steps, routing={"maxTrafficWeight": 1000})
    assert weight(await cluster.see(name)) == (0.5, 0.5, True)
    await cluster.promote_by_hand(name)
    seen = await cluster.at_gate(name, 3)
    assert (weight(seen), seen.split) == ((50, 50, True), 50)


@pytest.mark.parametrize(
    ("replicas", "counts"), [(4, [(1, 4), (1, 3), (2, 2)]), (3, [(1, 3), (1, 3), (2, 2)])], ids=["4 pods", "3 pods"]
)
async def test_without_traffic_routing_the_actual_weight_is_what_whole_pods_allow(
    cluster: Cluster, replicas: int, counts: list[tuple[int, int]]
) -> None:
    name = await cluster.released(GATED, routed=False, replicas=replicas)
    for step, (canary, stable) in zip((1, 3, 5), counts, strict=True):
        seen = await cluster.at_gate(name, step)
        assert await cluster.pods(name) == (canary, stable)
        found = weight_in_force(seen, stages(seen.steps), canary_pods=canary, pods=canary + stable)
        assert found == (GATED[step - 1]["setWeight"], round(100 * canary / (canary + stable), 2), True)
        await cluster.promote_by_hand(name)


MIRROR = {"name": "m", "percentage": 30, "match": [{"method": {"exact": "GET"}}]}
HEADER = {"name": "h", "match": [{"headerName": "x-canary", "headerValue": {"exact": "1"}}]}


async def test_routes_beside_the_weight_are_in_force_until_they_are_taken_away_or_the_run_ends(
    cluster: Cluster,
) -> None:
    steps: list[dict[str, Any]] = [
        {"setMirrorRoute": MIRROR}, {"setHeaderRoute": HEADER}, {"setWeight": 10}, {"pause": {}},
        {"setMirrorRoute": {"name": "m"}}, {"pause": {}},
    ]  # fmt: skip
    name = await cluster.make(steps, istio=True, routing={"managedRoutes": [{"name": "h"}, {"name": "m"}]})
    await cluster.release(name)
    seen = await cluster.at_gate(name, 3)
    assert (weight(seen), seen.routes) == ((10, 10, True), ("header", "mirror"))
    await cluster.promote_by_hand(name)
    assert (await cluster.at_gate(name, 5)).routes == ("header",)
    await cluster.abort_by_hand(name)
    assert (await cluster.aborted(name)).routes == ()


async def test_ping_pong_services_change_their_roles_when_a_release_is_promoted_and_not_before(
    cluster: Cluster,
) -> None:
    name = await cluster.make([{"setWeight": 50}, {"pause": {}}], istio=True, ping_pong=True)
    ping, pong = f"{name}-stable", f"{name}-canary"
    await cluster.release(name)
    services = (await cluster.at_gate(name, 1)).ping_pong
    assert services is not None
    assert (services.stable, services.canary) == (ping, pong)
    await cluster.promote_by_hand(name)
    after = (await cluster.promoted(name)).ping_pong
    assert after is not None
    assert (after.stable, after.canary) == (pong, ping)
