"""Set the version of everything that is released together: `python -m tools.set_version 0.2.0`.

Distributions name each other by the exact version: events and Redis scripts of two versions in one process are tried
nowhere.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+")


def projects() -> list[Path]:
    """The pyproject.toml of each distribution, by the workspace's own list."""
    members = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    return sorted(path for member in members for path in ROOT.glob(f"{member}/pyproject.toml"))


def places() -> dict[Path, str]:
    """Each file that states the version, with a pattern whose group is the version."""
    in_project = rf'(?:^version = "|"serinus[a-z-]*(?:\[[a-z,]+\])?==)({VERSION.pattern})"'
    return dict.fromkeys(projects(), in_project) | {
        ROOT / "pyproject.toml": rf'^version = "({VERSION.pattern})"',
        ROOT / "deploy/helm/serinus/Chart.yaml": rf"^(?:v|appV)ersion: ({VERSION.pattern})",
        ROOT / "Dockerfile": rf'image\.version="({VERSION.pattern})"',
    }


def stated() -> dict[Path, set[str]]:
    """The versions that each file states."""
    return {path: set(re.findall(pattern, path.read_text(), re.MULTILINE)) for path, pattern in places().items()}


def main() -> None:
    """Write the version that is given into every place; exit 2 where it is no version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", help="three numbers, such as 0.2.0")
    version = parser.parse_args().version
    if not VERSION.fullmatch(version):
        parser.error(f"{version} is no version: three numbers with dots are, such as 0.2.0")
    for path, pattern in places().items():
        written = re.sub(pattern, lambda m: m[0].replace(m[1], version), path.read_text(), flags=re.MULTILINE)
        path.write_text(written)
    sys.stdout.write(f"{version} in {len(places())} files; next: make lock, CHANGELOG.md, and a tag v{version}\n")


if __name__ == "__main__":
    main()
