"""Policies from files and from resources. A wrong one is refused with file, line, column and the way out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from serinus_contracts.crd import GROUP, KIND, VERSION
from serinus_contracts.policy import CanaryPolicy
from serinus_contracts.provider_namespaces import OPEN, ProviderAccess, may_use, refusal
from serinus_runtime.documents import DocumentError, read

Json = Mapping[str, object]

MAX_PROBLEMS = 10
MAX_PROBLEM_LENGTH = 300


def load_text(text: str, file: str) -> list[CanaryPolicy]:
    """The policies of one YAML text, which may hold several documents. Raises DocumentError."""
    return read(text, file, CanaryPolicy)


def load_file(file: Path) -> list[CanaryPolicy]:
    """The policies of one file. Raises DocumentError, also where it cannot be read."""
    try:
        return load_text(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError.about(str(file), str(getattr(error, "strerror", None) or error)) from error


def read_resource(document: Json, access: ProviderAccess = OPEN) -> CanaryPolicy:
    """The policy of a resource. Raises DocumentError; a resource is for Rollouts of its own namespace only."""
    metadata: Any = document.get("metadata") or {}
    kept = {name: metadata[name] for name in ("name", "namespace") if name in metadata}
    plain = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": kept, "spec": document.get("spec")}
    try:
        policy = CanaryPolicy.model_validate(plain)
    except ValidationError as error:
        raise DocumentError.about(origin_of(document), _told(error)) from error
    wanted = policy.spec.match.namespace
    if wanted not in (None, metadata.get("namespace")):
        raise DocumentError.about(
            origin_of(document), f"spec.match.namespace: a resource matches its own namespace only, not {wanted}"
        )
    asked, namespace = policy.spec.source.provider, str(metadata.get("namespace"))
    if not may_use(access, asked, namespace):
        raise DocumentError.about(origin_of(document), f"spec.source.provider: {refusal(asked, namespace)}")
    return policy


def origin_of(document: Json) -> str:
    """What a resource is called in errors and logs: its kind, namespace and name."""
    metadata: Any = document.get("metadata") or {}
    return f"{KIND} {metadata.get('namespace')}/{metadata.get('name')}"


def problem_text(problem: ErrorDetails) -> str:
    """The place and what is wrong there; of the whole, which has no place, what is wrong alone."""
    place = [".".join(map(str, problem["loc"]))] if problem["loc"] else []
    return ": ".join([*place, problem["msg"].removeprefix("Value error, ")])


def _told(error: ValidationError) -> str:
    """The first problems, in a length that a condition bears: a message may repeat what it refuses."""
    found = error.errors(include_url=False, include_input=False)
    told = [problem_text(one)[:MAX_PROBLEM_LENGTH] for one in found[:MAX_PROBLEMS]]
    return "; ".join(told) + (f"; and {len(found) - MAX_PROBLEMS} more" if len(found) > MAX_PROBLEMS else "")
