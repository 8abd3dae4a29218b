"""What is looked for before anything is judged."""

import asyncio
from collections.abc import Mapping

import pytest
from serinus.judge.arms import OverlapError, TwoArms, matchers
from serinus.judge.found_metrics import policy_of
from serinus.judge.ready import Asked, NothingToJudgeError, Ready, ready
from serinus_contracts import Counted
from serinus_rollouts.instrumentations import TABLE

from tests.unit.cli.judge.processes import RUN, Process, Processes, version


def looked(server: Processes, policy: Mapping[str, object] | None = None, canary: str = 'version="v2"') -> Ready:
    arms = TwoArms(server, matchers(canary), matchers('version="v1"'))
    asked = Asked(RUN, policy_of("buy", policy) if policy else None, None, None, False)
    told: list[str] = []
    return asyncio.run(ready(arms, asked, told.append, patience=0))


def test_without_a_policy_the_metrics_of_the_table_are_found_and_judged_by_the_defaults() -> None:
    found = looked(Processes([version("v1", rate=300), version("v2")])).plan
    (errors,) = found.metrics
    assert isinstance(errors.source, Counted)
    assert str(errors.source.query) == "http_requests_total"
    assert errors.critical
    (stage,) = found.stages
    assert (stage.weight, stage.minimum, stage.maximum, stage.gate) == (25, 60, 900, "nonInferiority")
    assert found.interval == 5


# Of each name the first row, by labels that its requests have.
ROWS = {row.names.requests: row for row in reversed(TABLE)}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_each_instrumentation_of_the_table_is_found(name: str) -> None:
    row = ROWS[name]
    extra = {one.label: one.value for one in row.names.extra_matchers if one.op == "="}
    bad = row.names.failed[0][0]

    def process(which: str) -> Process:
        return Process({"version": which, "instance": which, **extra}, name=name, status=(bad.label, bad.value))

    found = looked(Processes([process("v1"), process("v2")]))
    (errors,) = found.plan.metrics
    assert isinstance(errors.source, Counted)
    assert errors.source.query.name == name


def test_a_canary_without_series_is_said_with_what_its_labels_match_instead() -> None:
    other = Process({"version": "v2"}, name="http_hits")
    with pytest.raises(NothingToJudgeError) as refused:
        looked(Processes([version("v1"), other]))
    said = str(refused.value)
    assert 'no series of http_requests_total by --canary version="v2"' in said
    assert '--canary version="v2" matches http_hits' in said
    assert "docs/how-to/judge.md" in said


def test_labels_that_match_nothing_are_said_to() -> None:
    with pytest.raises(NothingToJudgeError, match='--canary version="v9" matches no series at all'):
        looked(Processes([version("v1")]), canary='version="v9"')


def test_no_known_counter_at_all_is_said() -> None:
    with pytest.raises(NothingToJudgeError, match="no counter of requests with their status"):
        looked(Processes([]))


def test_a_metric_of_the_policy_that_is_not_there_is_a_note_where_another_is() -> None:
    metrics = [
        {"name": "errors", "preset": "http-errors"},
        {"name": "carts", "events": "carts_lost_total", "trials": "carts_total"},
    ]
    found = looked(Processes([version("v1"), version("v2")]), {"metrics": metrics})
    (note,) = found.notes
    assert note.startswith("carts: no series of ")
    assert note.endswith('by --canary version="v2" and --stable version="v1"')


def test_the_source_of_a_policy_names_metrics_and_tells_no_arms_apart() -> None:
    source = {"preset": "traefik", "canary": "new", "stable": "old", "exclude": '{mirrored="true"}'}
    policy = {"source": source, "metrics": [{"name": "errors", "preset": "http-errors"}]}
    process = [Process({"version": one}, name="traefik_service_requests_total") for one in ("v1", "v2")]
    found = looked(Processes(process), policy).plan.metrics[0].source
    assert str(found.query) == 'traefik_service_requests_total{mirrored!="true"}'


def test_arms_that_overlap_are_refused() -> None:
    with pytest.raises(OverlapError):
        looked(Processes([version("v1"), version("v2")]), canary='version=~"v.*"')
