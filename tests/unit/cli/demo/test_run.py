"""What the demo plays."""

from importlib.resources import as_file, files

from serinus.demo.run import EXPECTED
from serinus_simulator.world.scenario_file import read_scenario


def test_each_release_has_its_expectation_and_cart_differs_from_the_good_one_by_its_latency_alone() -> None:
    with as_file(files("serinus.demo")) as data:
        world = read_scenario(data / "world.yaml")
    releases = {one.name: one for one in world.rollouts}
    assert releases.keys() == {one.name for one in EXPECTED}
    slow, good = releases["cart"], releases["checkout"]
    assert [change.latency_factor for change in slow.canary] == [1.4]
    assert (slow.steps, slow.traffic, slow.metrics) == (good.steps, good.traffic, good.metrics)
