"""The process `serinus-notifier`."""

from serinus_runtime.service import run
from serinus_runtime.settings import load

from serinus_notifier.bootstrap import notify
from serinus_notifier.settings import NotifierSettings


def main() -> None:
    """Run the notifier until it is told to stop. A wrong setting or file ends the process with code 2."""
    settings = load(NotifierSettings, "notifier")
    run("notifier", settings, lambda service: notify(service, settings))


if __name__ == "__main__":
    main()
