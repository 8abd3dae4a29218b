"""The command: a world from a scenario file, on one port."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from serinus_simulator.configs import kubeconfig, prometheus_config
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.server import Server, listen
from serinus_simulator.world.scenario_file import ScenarioError, read_scenario
from serinus_simulator.world.world import World

EXAMPLE = """example:
  serinus-simulator examples/demo.yaml --port 9099 --kubeconfig /tmp/kubeconfig
  curl -s http://127.0.0.1:9099/world/rollouts
  curl -s http://127.0.0.1:9099/prometheus/api/v1/query --data-urlencode 'query=http_requests_total[10s]'
  kubectl --kubeconfig /tmp/kubeconfig -n shop get rollouts.argoproj.io
"""


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="serinus-simulator",
        description="A small world over HTTP: Argo Rollouts on a Kubernetes API, pods that count requests, "
        "and the part of Prometheus that a collector asks.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("scenario", type=Path, help="the scenario file")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    made.add_argument("--seed", type=int, help="another seed than the scenario's")
    made.add_argument("--kubeconfig", type=Path, metavar="PATH", help="write a kubeconfig that points here")
    made.add_argument("--prometheus-config", type=Path, metavar="PATH", help="write a prometheus.yml that scrapes here")
    made.add_argument("--truth", type=Path, metavar="PATH", help="append every scrape as JSON Lines")
    made.add_argument("--ready-file", type=Path, metavar="PATH", help="write the line with the address here, too")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 stopped, 1 cannot listen or write, 2 wrong scenario or usage."""
    options = _parser().parse_args(arguments)
    try:
        scenario = read_scenario(options.scenario)
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        bound = listen(options.host, options.port)
        world = World(scenario, seed=options.seed, truth=options.truth)
        url = f"http://{options.host}:{bound.getsockname()[1]}"
        if options.kubeconfig is not None:
            options.kubeconfig.write_text(kubeconfig(url), "utf-8")
        if options.prometheus_config is not None:
            interval = scenario.prometheus.scrape_interval
            options.prometheus_config.write_text(prometheus_config(url, interval), "utf-8")
    except ApiError as error:
        sys.stderr.write(f"{options.scenario}: objects: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"serinus-simulator: {error}\n")
        return 1
    address = json.dumps({"url": url, "kubernetes": url, "prometheus": f"{url}/prometheus", "pid": os.getpid()})
    asyncio.run(_serve(Server(world), bound, address, options.ready_file))
    return 0


async def _serve(server: Server, bound: socket.socket, address: str, ready_file: Path | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    if server.started:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        if ready_file is not None:
            ready_file.write_text(address + "\n", "utf-8")
    await serving


if __name__ == "__main__":
    sys.exit(main())
