"""Writes the reference pages from the models and the command: `python -m tools.reference docs/reference`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from serinus.app import ENTRIES, load
from serinus_collector.config.settings import CollectorSettings
from serinus_console.entrypoints.web.application import described
from serinus_console.settings import ConsoleSettings
from serinus_contracts import CanaryPolicy
from serinus_contracts.envelope import EVENTS
from serinus_contracts.events import Reason
from serinus_contracts.report import Report
from serinus_controller.settings import ControllerSettings
from serinus_notifier.settings import NotifierSettings
from serinus_rollouts.instrumentations import TABLE, WITHOUT_ARMS
from serinus_runtime.settings import Settings, default_text, variable

from tools import chart
from tools.schema_tables import described_below, models, row, shown, table

ALERTS = Path(__file__).parents[1] / "deploy" / "monitoring" / "alerts.yaml"
NOTICE = "<!-- Written by `make docs`. -->\n"
SETTINGS: dict[str, type[Settings]] = {
    "Every service": Settings,
    "Collector": CollectorSettings,
    "Controller": ControllerSettings,
    "Console": ConsoleSettings,
    "Notifier": NotifierSettings,
}
REASONS: dict[Reason, tuple[str, str]] = {
    "non_inferior": (
        "proceed",
        "every critical metric is shown to keep its margin, at the error rate `falsePromoteRate`",
    ),
    "no_regression": (
        "proceed",
        "the minimum time is over, the data are good, nothing is worse or leans towards an abort; proves nothing",
    ),
    "evidence": ("abort", "a metric is worse than its margin, at the error rate `falseAbortRate`"),
    "limit": ("abort", "a limit is exceeded"),
    "insufficient_evidence": ("hold", "the counts show neither yet, or a regression too small in weight to abort"),
    "awaiting_baseline": ("hold", "stable has no counts to compare with"),
    "settling": ("hold", "the weight has just changed"),
    "before_minimum": ("hold", "the stage is younger than its `minimum`"),
    "no_data": ("hold", "no usable counts; an abort where the policy says `onNoData: abort`"),
    "provider_error": (
        "hold",
        "the metrics provider failed, its answer cannot be used, or segments cannot be compared",
    ),
    "time_spent": ("hold", "the stage's `maximum` is over; `onTimeSpent` may make it an abort or a proceed"),
    "sample_ratio_mismatch": ("hold", "requests are not split as the weight says"),
    "liveness": ("hold", "pods of the canary restart or never become ready"),
    "anomaly": ("hold", "pods of the canary differ from stable's as a group, or one from the others"),
    "rule": ("any", "a judge with rules of its own (threshold, kayenta, ...) says so; the sentence says which rule"),
}

EXITS = {
    0: "done; with `--wait`, promoted",
    1: "an error: what and where stands on stderr",
    2: "the command line is wrong; of a service, a setting or a file that it begins with",
    3: "the release was aborted",
    4: "inconclusive, or the time was up",
    130: "interrupted by Ctrl-C",
    141: "whoever read its output has gone, as `head` does",
}
STATUSES = {
    400: "the body cannot be read",
    401: "no token, or one that is not valid here",
    403: "read-only, no right to patch `rollouts/status` there, or a form of another session or site",
    404: "nothing is kept of such a run, plan or report",
    409: "not possible now, such as a command on a run that is over: `detail` says why",
    422: "a parameter or field is wrong: `detail` names each",
    429: "too many commands or sign-ins in a minute; `Retry-After` in seconds",
    503: "Redis or the cluster cannot be asked now, or too many streams are open; `Retry-After` where it is known",
}


def settings() -> Iterator[str]:
    """The page of settings."""
    yield "# Settings\n\nRead from the environment; a wrong one stops the start. Services list theirs with `--help`."
    known = Settings.model_fields
    for title, kind in SETTINGS.items():
        schema = kind.model_json_schema(by_alias=False, ref_template="{model}")
        definitions = schema.get("$defs", {})
        yield from ("", f"## {title}", "", *table("variable", "type", "default", "meaning"))
        for name, field in kind.model_fields.items():
            if kind is Settings or name not in known:
                yield row(
                    f"`{variable(name, field)}`",
                    shown(schema["properties"][name], definitions)
                    .replace("map to string", "list of name=url")
                    .replace("list of string", "list"),
                    f"`{default_text(field)}`" if default_text(field) else "",
                    field.description or "",
                )
        yield from described_below(definitions)
    yield "\nThe analyzer has those of every service and none of its own."


def policy() -> Iterator[str]:
    """The page of policies."""
    yield (
        "# Fields of a policy\n\nExamples: [Policies](../how-to/policies.md). A duration is `30s`, `5m`, `1h30m` or a "
        "number of seconds. Unknown fields are refused."
    )
    yield from models(CanaryPolicy)


def events() -> Iterator[str]:
    """The page of events."""
    yield (
        "# Fields of the events\n\nThe `data` of each [CloudEvent](../how-to/subscribing.md), and the report of an "
        "ended run. Times are milliseconds since 1970. Readers ignore fields that they do not know."
    )
    yield from models(*EVENTS, Report)


def reasons() -> Iterator[str]:
    """The page of reasons."""
    yield "# Reason codes\n\n`reason` of a verdict. New codes may come: judge an unknown one by its `verdict`.\n"
    yield from table("reason", "verdict", "means")
    for reason in get_args(Reason):
        verdict, meaning = REASONS[reason]
        yield row(f"`{reason}`", verdict, meaning)


def instrumentations() -> Iterator[str]:
    """The table of instrumentations."""
    yield (
        "# Instrumentations\n\nWhat `serinus init` looks for and `serinus doctor` tells of, in this order. "
        "[Metric sources](../how-to/sources.md) says how presets tell the arms apart. A row with ● is held by a test: "
        "the page of this version in, the true counts out, by the policy that `init` writes. The others are of their "
        "projects' documentation: what counts in Istio, Linkerd, Contour and ingress-nginx comes as images, which no "
        "package registry has.\n"
    )
    yield from table("instrumentation", "requests", "status", "latency: edges", "preset", "traps")
    for one in TABLE:
        unit = " ms" if one.names.milliseconds else " s"
        edges = f": {', '.join(f'{edge:g}' for edge in one.edges)}{unit}" if one.edges else ""
        latency = f"`{one.names.latency}`{edges}" if one.names.latency else "none"
        held = " ●" if one.recorded else ""
        traps = "; ".join(text for text in (one.traps, one.blind) if text)
        name = f"{one.name} {one.version}".rstrip() + held
        yield row(name, f"`{one.names.requests}`", f"`{one.status}`", latency, one.preset, traps)
    yield (
        "\nProbes of the kubelet and scrapes are requests too where an application counts them: of little traffic they "
        "thin the errors of both arms. Leave their paths out in the library, or by `exclude`.\n\n## Without counts of "
        "each arm\n"
    )
    yield from table("what", "why, and what to do")
    for name, version, why in WITHOUT_ARMS:
        yield row(f"{name} {version}".rstrip(), why)


def errors() -> Iterator[str]:
    """The page of errors."""
    yield (
        "# Errors\n\nWhy a run is held or aborted: [reason codes](reasons.md). Entries that nobody can read go to the "
        "stream `dead-letters` with their error.\n\n## Exit codes\n\nOf `serinus` and of the services.\n"
    )
    yield from table("code", "means")
    for code, meaning in EXITS.items():
        yield row(f"`{code}`", meaning)
    yield (
        "\n## The console\n\nBelow `/v1` as `application/problem+json` (RFC 9457) with `title`, `status`, `detail` and "
        "`instance`; `type` is `about:blank`, since the status says which kind it is.\n"
    )
    operations = [one for path in described().openapi()["paths"].values() for one in path.values()]
    yield from table("status", "means")
    for status in sorted({int(status) for one in operations for status in one["responses"]}):
        if status >= 400:
            yield row(f"`{status}`", STATUSES[status])


def values() -> Iterator[str]:
    """The page of the chart's values."""
    yield (
        "# Values of the chart\n\nOf [values.yaml](../../deploy/helm/serinus/values.yaml); what is not here is "
        "refused. How they go together: [Operating](../how-to/operating.md#the-chart).\n"
    )
    yield from table("value", "default", "meaning")
    defaults = yaml.safe_load((chart.CHART / "values.yaml").read_text(encoding="utf-8"))
    yield from _values(json.loads(chart.schema())["properties"], defaults, "")


def _values(properties: Mapping[str, Any], defaults: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, schema in properties.items():
        if name not in defaults:
            continue  # Helm's own
        if "properties" in schema:
            yield row(f"**{path}{name}**", "", schema["description"])
            yield from _values(schema["properties"], defaults[name], f"{path}{name}.")
        else:
            default = json.dumps(defaults[name]) if defaults[name] not in ("", {}, []) else ""
            yield row(f"`{path}{name}`", f"`{default}`" if default else "", schema["description"])


def alerts() -> Iterator[str]:
    """The page of alerts."""
    yield (
        "# Alerts\n\nOf [deploy/monitoring/alerts.yaml](../../deploy/monitoring/alerts.yaml), in the chart by "
        "`prometheusRule.enabled`. Each has a runbook: what it means, where to look, what to do.\n"
    )
    yield from table("alert", "severity", "after", "says")
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            link = f"[{rule['alert']}](../how-to/runbooks.md#{rule['alert'].lower()})"
            yield row(link, rule["labels"]["severity"], rule.get("for", ""), rule["annotations"]["description"])


def commands() -> Iterator[str]:
    """The page of commands."""
    yield (
        "# Commands\n\nExit codes: 0 pass, 1 error, 2 usage, 3 aborted, 4 inconclusive or timeout "
        "([all](errors.md#exit-codes)). `-o json` and `-o yaml` are for programs. Installed as `kubectl-serinus` too, "
        "for `kubectl serinus`."
    )
    for name in sorted(ENTRIES):
        command = load(name)
        yield from ("", f"## serinus {name}", "", (command.help or "").strip(), "", f"`{command.epilog}`", "")
        yield from table("argument or option", "default", "meaning")
        for one in command.params:
            option = one.param_type_name == "option"
            what = ", ".join(f"`{part}`" for part in one.opts) if option else f"`{str(one.name).upper()}`"
            value = one.default
            plain = value not in (None, False, "", (), []) and not callable(value)
            given = "required" if one.required else f"`{getattr(value, 'value', value)}`" if plain else ""
            also = f" Also `{one.envvar}`." if one.envvar else ""
            yield row(what, given, (getattr(one, "help", "") or "") + also)


PAGES = {
    "settings": settings,
    "policy": policy,
    "events": events,
    "instrumentations": instrumentations,
    "reasons": reasons,
    "commands": commands,
    "errors": errors,
    "alerts": alerts,
    "values": values,
}


def page(name: str) -> str:
    """The content of the page of this name."""
    return "\n".join(PAGES[name]()) + "\n\n" + NOTICE


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tools.reference FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (folder / f"{name}.md").write_text(page(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
