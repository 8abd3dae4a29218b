"""The process `serinus-analyzer`."""

from serinus_runtime.service import run
from serinus_runtime.settings import Settings, load

from serinus_analyzer.bootstrap import analyze


def main() -> None:
    """Run until the process is told to stop."""
    settings = load(Settings, "analyzer")
    run("analyzer", settings, lambda service: analyze(service, settings))
