"""Writes the JSON Schemas of everything that crosses a boundary, and the AsyncAPI of the streams.

python -m serinus_contracts.schemas FOLDER
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from serinus_contracts.asyncapi import asyncapi
from serinus_contracts.envelope import EVENTS
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.policy import CanaryPolicy
from serinus_contracts.report import Report


def schemas() -> Iterator[tuple[str, str]]:
    """File name and content of each schema."""
    documents: dict[str, type[BaseModel]] = {event.TYPE: event for event in EVENTS}
    documents |= {"dev.serinus.plan.v1": AnalysisPlan, "dev.serinus.canarypolicy.v1alpha1": CanaryPolicy}
    documents[Report.TYPE] = Report
    for name, model in documents.items():
        schema = model.model_json_schema()
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{name}", **schema}
        yield f"{name}.json", json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    yield "asyncapi.json", json.dumps(asyncapi(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write every schema into the folder that is named; gives the exit code, 2 for a wrong command line."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m serinus_contracts.schemas FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas():
        (folder / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
