import pytest
from serinus_rollouts.pods import MAX_IMAGES, pod_view

POD = {
    "metadata": {
        "namespace": "shop",
        "name": "checkout-new-1",
        "resourceVersion": "7",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-new"}],
    },
    "spec": {"containers": [{"name": "app", "image": "shop/checkout:v2"}, {"name": "proxy", "image": "proxy:1"}]},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"restartCount": 1}, {"restartCount": 2}],
    },
}


def test_a_pod_tells_whose_it_is_how_it_is_and_what_it_runs() -> None:
    seen = pod_view(POD)
    assert (seen.owner, seen.ready, seen.restarts, seen.version) == ("checkout-new", True, 3, 7)
    assert seen.images == ("shop/checkout:v2", "proxy:1")
    many = {"spec": {"containers": [{"image": "x"}] * 5000}}
    assert pod_view(POD | many).images == ("x",) * MAX_IMAGES


def test_of_a_pod_that_is_just_stored_little_is_known() -> None:
    seen = pod_view({"metadata": POD["metadata"]})
    assert (seen.ready, seen.restarts, seen.started, seen.images) == (False, 0, None, ())


@pytest.mark.parametrize("containers", [["app"], 7])
def test_a_pod_of_a_form_that_no_server_would_store_is_refused(containers: object) -> None:
    with pytest.raises(ValueError, match="a Pod of unknown form"):
        pod_view({**POD, "spec": {"containers": containers}})
