#!/usr/bin/env bash
# Install the command serinus from this checkout into a folder of its own: install.sh FOLDER
set -euo pipefail
folder=${1:?the folder}
root=$(cd "$(dirname "$0")/.." && pwd)
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
python3 -m venv "$folder"
# Ours by their folders, so that no package of the same name elsewhere can take their place; all else as it is locked.
sed -e '/^ *--hash/d' -e 's/ *\\$//' "$root/requirements.lock" > "$folder/constraints.txt"
own=()
for project in "$root"/shared/*/pyproject.toml "$root/cli/pyproject.toml"; do own+=("${project%/pyproject.toml}"); done
# By the environment it holds for what builds them too.
PIP_CONSTRAINT="$folder/constraints.txt" "$folder/bin/pip" install --quiet --disable-pip-version-check "${own[@]}"
