"""The process `serinus-console`."""

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_console.bootstrap import console
from serinus_console.settings import ConsoleSettings


def main() -> None:
    settings = load(ConsoleSettings, "console")
    run("console", settings, lambda service: console(service, settings))
