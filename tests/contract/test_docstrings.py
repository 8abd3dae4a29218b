"""What is public says what its name and types do not: shapes, units, order, errors, what None means."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
FRAMEWORKS = {
    "aclose", "async_auth_flow", "format", "format_commands", "handle_async_request", "main", "main_loop",
    "on_page_markdown", "render", "resolve_command",
}  # fmt: skip
"""What a framework calls and documents; what `main` does says its module."""


def public(body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[tuple[Definition, ast.ClassDef | None]]:
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node, owner
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, node)


def definitions() -> Iterator[tuple[Path, Definition, ast.ClassDef | None]]:
    for pattern in ("shared/*/src/**/*.py", "services/*/src/**/*.py", "cli/src/**/*.py", "simulator/src/**/*.py",
                    "benchmarks/*.py", "tools/*.py"):  # fmt: skip
        for file in sorted(ROOT.glob(pattern)):
            for node, owner in public(ast.parse(file.read_text(encoding="utf-8")).body):
                yield file.relative_to(ROOT), node, owner


def bases(owner: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).partition("[")[0] for base in owner.bases}


def test_whatever_is_public_has_a_docstring() -> None:
    """A method of a port or of a base class is documented there, for all who have it."""
    found = list(definitions())
    documented = [(node, owner) for _, node, owner in found if owner and ast.get_docstring(node)]
    of_ports = {node.name for node, owner in documented if "Protocol" in bases(owner)}
    of_classes = {(owner.name, node.name) for node, owner in documented}
    bare = [
        f"{file}:{node.lineno} {node.name}"
        for file, node, owner in found
        if not ast.get_docstring(node)
        and not (owner and (node.name in of_ports))
        and node.name not in FRAMEWORKS
        and not (owner and any((base, node.name) in of_classes for base in bases(owner)))
    ]
    assert bare == []
