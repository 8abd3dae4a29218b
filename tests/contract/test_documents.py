"""What the documentation shows of the contracts is what the code does."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from serinus_contracts import AnalysisPlan, CanaryPolicy, VerdictReached, from_entry, seal, to_entry
from serinus_contracts.crd import custom_resource_definition
from serinus_contracts.envelope import EVENTS
from serinus_contracts.events import Event
from serinus_contracts.schemas import schemas

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "schemas"
EXAMPLES = ROOT / "docs" / "examples"
WRITTEN = Path(__file__).parent / "written"


def example(kind: type[Event]) -> dict[str, Any]:
    name = kind.TYPE.removeprefix("dev.serinus.").removesuffix(".v1")
    document: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return document


def schema(kind: type[Event]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / f"{kind.TYPE}.json").read_text())
    return document


@pytest.mark.parametrize(("name", "content"), list(schemas()), ids=lambda value: value if "." in value[:40] else "")
def test_a_schema_is_the_one_that_the_models_have_now(name: str, content: str) -> None:
    assert (SCHEMAS / name).read_text() == content, "run `make schemas`"


def test_no_schema_is_left_of_what_is_gone() -> None:
    assert {path.name for path in SCHEMAS.glob("*.json")} == {name for name, _ in schemas()}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_each_example_is_valid_by_its_schema_and_read_as_its_event(kind: type[Event]) -> None:
    document = example(kind)
    Draft202012Validator(schema(kind)).validate(document["data"])
    event = from_entry(kind, {"ce": json.dumps(document)}).data
    assert document["id"] == event.event_id()
    assert document["subject"] == event.run.id


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_of_an_earlier_version_is_written_back_with_nothing_lost(kind: type[Event]) -> None:
    document = example(kind)
    event = from_entry(kind, {"ce": json.dumps(document)}).data
    written = json.loads(to_entry(seal(event, source=document["source"], now=0))["ce"])
    assert lost(document["data"], written["data"]) == []


@pytest.mark.parametrize("file", sorted(WRITTEN.rglob("*.jsonl")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_entries_that_an_earlier_version_wrote_are_read_with_nothing_lost(file: Path) -> None:
    """Entries of streams as a demo left them, of the first words that stay. Releases add folders."""
    (kind,) = (event for event in EVENTS if file.stem == event.STREAM)
    for line in file.read_text().splitlines():
        fields = json.loads(line)
        envelope = from_entry(kind, fields)
        written = to_entry(seal(envelope.data, source=envelope.source, now=0))
        assert lost(json.loads(fields["ce"])["data"], json.loads(written["ce"])["data"]) == []
        assert envelope.data.event_id() == json.loads(fields["ce"])["id"]


def lost(before: Any, after: Any, path: str = "data") -> list[str]:
    """Where `after` does not hold what `before` does; what a newer version adds is no loss."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [one for name in before for one in lost(before[name], after.get(name), f"{path}.{name}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [one for i, (old, new) in pairs for one in lost(old, new, f"{path}[{i}]")]
    return [] if before == after else [path]


def test_the_example_of_a_plan_has_the_digest_that_the_events_name() -> None:
    document = json.loads((EXAMPLES / "plan.json").read_text())
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == example(VerdictReached)["data"]["plan"]
    assert AnalysisPlan.model_validate(document).policy == "shop"


def test_the_custom_resource_is_the_one_that_the_model_has_now() -> None:
    stored = yaml.safe_load((ROOT / "deploy" / "crd" / "canarypolicies.yaml").read_text())
    assert stored == custom_resource_definition(), "run `make schemas`"


def test_the_policy_of_the_readme_is_right() -> None:
    text = (ROOT / "README.md").read_text()
    policy = text.split("```yaml\n")[1].split("```")[0]
    assert CanaryPolicy.model_validate(yaml.safe_load(policy)).spec.mode == "shadow"


def test_the_custom_resource_says_nothing_that_an_api_server_refuses() -> None:
    """A structural schema has no references; Kubernetes refuses the whole definition for one."""
    text = json.dumps(custom_resource_definition())
    assert [word for word in ("$ref", "$defs", "oneOf", "anyOf", "allOf") if f'"{word}"' in text] == []
