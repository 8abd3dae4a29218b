"""The process `serinus-collector`."""

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_collector.bootstrap import collect
from serinus_collector.config.settings import CollectorSettings


def main() -> None:
    """Run a collector until it is stopped."""
    settings = load(CollectorSettings, "collector")
    run("collector", settings, lambda service: collect(service, settings))
