"""When patches of Rollouts' statuses arrive at an API server: a process of its own before it, which passes all on.

The simulated cluster does its own reconciling, scrapes and lists on the loop by which it answers: stamped there, a
patch would seem to come as late as that loop gets to it.
"""

import asyncio
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import free_port, wait_until
from tests.simulated import World

_PATCH = re.compile(rb"PATCH /apis/argoproj\.io/v1alpha1/namespaces/([^/ ]+)/rollouts/([^/ ]+)/status ")
# A request's first line may come in two pieces.
KEPT_BYTES = 512


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Path | None) -> None:
    tail = b""
    try:
        while piece := await reader.read(1 << 16):
            now = 1000 * time.time()
            writer.write(piece)
            if log:
                tail += piece
                lines = [f"{now:.3f} {namespace.decode()}/{name.decode()}" for namespace, name in _PATCH.findall(tail)]
                if lines:
                    with log.open("a") as file:
                        file.write("\n".join(lines) + "\n")
                    tail = b""
                tail = tail[-KEPT_BYTES:]
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _serve(port: int, host: str, target: int, log: Path) -> None:
    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, target)
        await asyncio.gather(_pass_on(reader, there_writer, log), _pass_on(there_reader, writer, None))

    async with await asyncio.start_server(passing, "127.0.0.1", port) as server:
        log.touch()
        await server.serve_forever()


@contextmanager
def stamped(world: World) -> Iterator[tuple[Path, Path]]:
    """A kubeconfig by which patches are stamped, and where: `arrivals` reads it."""
    port, log = free_port(), world.children.folder / "arrivals"
    kubeconfig = world.children.folder / "kubeconfig-stamped"
    kubeconfig.write_text(world.kubeconfig.read_text().replace(world.url, f"http://127.0.0.1:{port}"))
    child = world.children.start("arrivals", "benchmarks._arrivals", str(port), world.url, str(log))
    wait_until(log.exists, 60, "the process that stamps patches to listen")
    try:
        yield kubeconfig, log
    finally:
        child.stop()


def arrivals(log: Path) -> dict[str, list[float]]:
    """Milliseconds of the wall clock at which a patch of each Rollout's status came."""
    found = defaultdict[str, list[float]](list)
    for line in log.read_text().splitlines():
        at, _, key = line.partition(" ")
        found[key].append(float(at))
    return found


if __name__ == "__main__":
    there = urlsplit(sys.argv[2])
    asyncio.run(_serve(int(sys.argv[1]), str(there.hostname), int(there.port or 80), Path(sys.argv[3])))
