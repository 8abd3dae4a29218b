"""The metrics of the services, as their source declares them, and docs/reference/metrics.md made of it.

Written anew by `python -m tests.metrics`.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
TYPES = ("Counter", "Gauge", "Histogram", "Info")
SUFFIX = {"Counter": "_total", "Info": "_info"}
SHOWN_BY = {"collecting": "collector"}
"""The service that shows what a library declares, where it has another name."""
INTRODUCTION = """# Metrics

What each service tells of itself at `/metrics`. No label names a pod, a hash or a run, so that their number does not
grow with releases. Alerts: [deploy/monitoring/alerts.yaml](../../deploy/monitoring/alerts.yaml), with a
[runbook](../how-to/runbooks.md) each;
a dashboard: [deploy/monitoring/dashboard.json](../../deploy/monitoring/dashboard.json).

Traces: one goes from a snapshot (collector) by its verdict (analyzer) to decision, act and patch (controller). They are
recorded where `serinus-runtime[otel]` is installed and OpenTelemetry's variables ask for them, such as
`OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4318`; every snapshot begins a trace, so a large fleet also wants
`OTEL_TRACES_SAMPLER=parentbased_traceidratio` and `OTEL_TRACES_SAMPLER_ARG`. The `traceparent` stands in every stream
entry, its `trace_id` in the log lines.
"""


class Metric(NamedTuple):
    service: str
    name: str
    type: str
    help: str
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """The names by which a query knows it."""
        ends = ("_bucket", "_sum", "_count") if self.type == "Histogram" else ("",)
        return tuple(self.name + end for end in ends)


@cache
def declared() -> list[Metric]:
    """All metrics, by service and name."""
    found = set()
    for folder in [*(ROOT / "shared").iterdir(), *(ROOT / "services").iterdir()]:
        service = SHOWN_BY.get(folder.name, folder.name)
        for file in (folder / "src").rglob("*.py"):
            found |= {one._replace(service=service) for one in _of(ast.parse(file.read_text()))}
    return sorted(found, key=lambda one: (one.service != "runtime", one.service, one.name))


def _of(tree: ast.Module) -> Iterator[Metric]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TYPES:
            if not any(keyword.arg == "registry" for keyword in node.keywords):
                continue  # the Counter of collections
            name, text, *rest = [ast.literal_eval(argument) for argument in node.args]
            kind = node.func.id
            yield Metric("", name + SUFFIX.get(kind, ""), kind, text, tuple(rest[0]) if rest else ())


def page() -> str:
    lines = [INTRODUCTION]
    service = ""
    for one in declared():
        if one.service != service:
            service = one.service
            title = "Every service" if service == "runtime" else service.capitalize()
            lines.append(f"{'' if lines[-1] is INTRODUCTION else chr(10)}## {title}\n")
            lines += ["| metric | type | labels | what it is |", "|---|---|---|---|"]
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.type.lower()} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
