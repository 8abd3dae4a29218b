"""Imports what forked commands and services need (`tests/forked.py`), and leaves it where no collection looks at it."""

import gc
from importlib import import_module

from serinus.app import ENTRIES

SERVICES = ("simulator", "collector", "analyzer", "controller", "console")
gc.disable()
for module in (
    "pytest",  # else each would run the script `pytest` anew, which it takes for its own program
    *(f"serinus_{service}.app" for service in SERVICES),
    *{"serinus." + entry.function.partition(":")[0] for entry in ENTRIES.values()},
    # What commands and adapters import where they need it.
    "kubernetes_asyncio.config",
    "tests.forked",
):
    import_module(module)
gc.freeze()
gc.enable()
