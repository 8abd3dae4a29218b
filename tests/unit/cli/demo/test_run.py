"""What the demo plays, with and without its slow release."""

from importlib.resources import as_file, files
from pathlib import Path

from serinus.demo.run import EXPECTED, SLOW, scenario
from serinus_simulator.world.scenario_file import read_scenario


def test_slow_adds_one_release_that_differs_from_the_others_by_its_latency(tmp_path: Path) -> None:
    with as_file(files("serinus.demo")) as data:
        usual = read_scenario(scenario(data, tmp_path, slow=False))
        slow = read_scenario(scenario(data, tmp_path, slow=True))
    assert [one.name for one in usual.rollouts] == [one.name for one in EXPECTED]
    assert slow.rollouts[:-1] == usual.rollouts
    added, good = slow.rollouts[-1], usual.rollouts[0]
    assert (added.name, added.canary[0].latency_factor) == (SLOW.name, 1.4)
    assert (added.steps, added.traffic, added.metrics) == (good.steps, good.traffic, good.metrics)
