"""Prints the OpenAPI document of the console: `python -m serinus_console.openapi`."""

import json
import sys

from serinus_console.entrypoints.web.application import described


def openapi() -> str:
    """The document as indented JSON, with a newline at its end."""
    return json.dumps(described().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi())
