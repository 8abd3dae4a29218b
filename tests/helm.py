"""What the chart becomes, for tests."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.lacking import lacking

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "serinus"


def rendered(*arguments: str) -> list[dict[str, Any]]:
    """The objects that `helm template` gives for the release `serinus` in the namespace `serinus`."""
    helm = shutil.which("helm")
    if helm is None:
        lacking("helm", "https://helm.sh/docs/intro/install/, or run .ci/chart, which takes it from Go's modules")
    command = [helm, "template", "serinus", str(CHART), "--namespace", "serinus", "--kube-version", "1.31"]
    told = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr
    return [one for one in yaml.safe_load_all(told.stdout) if one]
