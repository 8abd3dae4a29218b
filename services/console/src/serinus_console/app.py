"""The process `serinus-console`."""

import gc

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_console.bootstrap import console
from serinus_console.settings import ConsoleSettings


def main() -> None:
    # 500 runs are 200,000 objects that live long. Python's own thresholds looked through all of them eight times in the
    # first half minute, for up to 0.2 s of CPU each, and no page was answered meanwhile.
    gc.set_threshold(10_000, 10, 100)
    settings = load(ConsoleSettings, "console")
    run("console", settings, lambda service: console(service, settings))
