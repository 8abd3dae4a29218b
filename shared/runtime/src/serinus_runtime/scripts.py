"""Lua scripts live in files beside the code that calls them; this is the one loader."""

from importlib.resources import files

from redis.commands.core import AsyncScript

from serinus_runtime.redis import Client


def load(client: Client, package: str, name: str) -> AsyncScript:
    """The script `name`.lua of a package; redis-py sends it by its hash and loads it where a server lacks it."""
    text = files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return client.register_script(text)
