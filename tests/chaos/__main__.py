"""`python -m tests.chaos [--seed N] [--runs 200] [--seconds 150]`. Exit code 0 if all held, else 1."""

import argparse
import asyncio
import random
import sys

from tests.chaos.run import chaos
from tests.chaos.schedule import draw


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the schedule (default: drawn, and printed)")
    parser.add_argument("--runs", type=int, default=200, help="releases (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=150, help="of trouble (default: %(default)s)")
    parser.add_argument(
        "--limit", type=float, default=300, help="seconds for all to end after it (default: %(default)s)"
    )
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}: {options.runs} releases, {options.seconds:g} s of trouble", flush=True)
    report = asyncio.run(
        chaos(draw(seed, options.runs, options.seconds), limit=options.limit, say=lambda line: print(line, flush=True))
    )
    print(f"outcomes {report.outcomes}, {report.snapshots} snapshots, {report.windows} windows compared")
    for fault in report.faults[:40]:
        print(f"FAULT {fault}")
    verdict = "held" if not report.faults else f"{len(report.faults)} faults"
    print(f"seed {seed}: {verdict} in {report.seconds:.0f} s, logs in {report.folder}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
