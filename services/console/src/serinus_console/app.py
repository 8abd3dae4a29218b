"""The process `serinus-console`."""

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_console.bootstrap import console
from serinus_console.settings import ConsoleSettings


def main() -> None:
    """Run the console until it is told to stop. A wrong setting ends the process with code 2."""
    settings = load(ConsoleSettings, "console")
    run("console", settings, lambda service: console(service, settings))
