"""Manifests in the shapes of the field, small, and the decisive numbers that must come of each.

A case is its steps (and what else the canary strategy has), its templates, and lines: `20 % 300 s` for a stage (with
`!` where a person is asked), `woven ...` for a metric as `told` in test_corpus.py writes it, `said ...` for a part of
what is said beside the policy, `lost ...` for what is not expressed, `error ...` for a part of a refusal.
"""

from typing import NamedTuple

PROMETHEUS = 'provider: {prometheus: {address: "http://m:9090", query: woven}}'
ONCE = "name: woven, successCondition: 'result[0] > 0.9', " + PROMETHEUS
OFTEN = "interval: 30s, count: 3, " + ONCE
USUAL = "20 % 60 s\nwoven stage every 30 x3"
AFTER = "[{setWeight: 20}, {pause: {duration: 1m}}, {analysis: {templates: [{templateName: warp}]}}]"


class Case(NamedTuple):
    """`canary`: fields of the strategy after its steps; `templates`: the metrics of warp, or whole documents."""

    name: str
    expected: str
    steps: str = AFTER
    templates: str = f"[{{{OFTEN}}}]"
    canary: str = ""
    before: str = ""

    @property
    def text(self) -> str:
        """The file."""
        templates = self.templates
        if templates.startswith("["):
            templates = f"kind: AnalysisTemplate\nmetadata: {{name: warp}}\nspec:\n  metrics: {templates}\n"
        more = "".join(f"      {line}\n" for line in self.canary.splitlines())
        return (
            f"{self.before}kind: Rollout\nmetadata: {{name: loom, namespace: mill, labels: {{team: silk}}}}\n"
            f"spec:\n  replicas: 4\n  strategy:\n    canary:\n      steps: {self.steps}\n{more}---\n{templates}"
        )


def warp(spec: str, name: str = "warp", kind: str = "AnalysisTemplate") -> str:
    """A whole template of these fields."""
    return f"kind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def after(pause: str) -> str:
    """The usual steps with another pause."""
    return AFTER.replace("1m", pause)


def metric(fields: str) -> str:
    """The usual metric with more fields."""
    return f"[{{{fields}, {ONCE}}}]"


def given(args: str, spec: str, steps: str = AFTER) -> dict[str, str]:
    """A Rollout that gives arguments to a template."""
    return {
        "steps": steps.replace("{templateName: warp}]", f"{{templateName: warp}}], args: [{args}]"),
        "templates": warp(spec),
    }


QUERY = 'metrics: [{name: woven, successCondition: "result[0] > 1", provider: {prometheus: {query: "x{{args.of}}"}}}]'
ASKED = f"args: [{{name: of}}], {QUERY}"
BACKGROUND = "analysis: {templates: [{templateName: warp}]"
ENDLESS = f"[{{interval: 30s, initialDelay: 4m, {ONCE}}}]"
TWO = "[{setWeight: 20}, {pause: {duration: 10m}}, {setWeight: 60}, {pause: {duration: 10m}}]"

CASES = [
    # When it is measured
    Case("an analysis behind its pause", f"{USUAL}\nevery 30"),
    Case("an analysis before its pause", "20 % 3600 s\nwoven stage start 0 every 30 x3\nsaid begins with Argo when",
         "[{setWeight: 20}, {analysis: {templates: [{templateName: warp}]}}, {pause: {duration: 1h}}]"),
    Case("an analysis between two pauses", "20 % 900 s\nwoven stage start 300 every 30 x3",
         "[{setWeight: 20}, {pause: {duration: 5m}}, {analysis: {templates: [{templateName: warp}]}}, "
         "{pause: {duration: 10m}}]"),
    Case("the same analysis twice at one weight",
         "20 % 600 s\nwarp-woven stage start 300 every 30 x3\nwarp-woven-2 stage start 660 every 30 x3\n"
         "said steps[4].analysis begins 11m after 20 % was set",
         "[{setWeight: 20}, {pause: {duration: 5m}}, {analysis: {templates: [{templateName: warp}]}}, "
         "{pause: {duration: 5m}}, {analysis: {templates: [{templateName: warp}]}}]"),
    Case("a weight that is set twice",
         "20 % 600 s\nwoven stage every 30 x3\nsaid weight 20 % is set twice",
         "[{setWeight: 20}, {pause: {duration: 10m}}, {setWeight: 20}, "
         "{analysis: {templates: [{templateName: warp}]}}]"),
    Case("fields of null, as templates render nothing", USUAL, AFTER,
         warp(f"args:, dryRun:, metrics: [{{failureLimit:, {OFTEN}}}]")),
    Case("an analysis that successes in a row end early",
         "20 % 0 s\nwarp-woven stage every 30 x9 row 2\nweft-woven stage start 30 once",
         "[{setWeight: 20}, {analysis: {templates: [{templateName: warp}]}}, "
         "{analysis: {templates: [{templateName: weft}]}}]",
         warp(f"metrics: [{{interval: 30s, count: 9, consecutiveSuccessLimit: 2, {ONCE}}}]") + "---\n"
         + warp(f"metrics: [{{{ONCE}}}]", "weft")),
    Case("two analyses in a row", "20 % 0 s\nwarp-woven stage every 30 x3\nweft-woven stage start 60 once",
         "[{setWeight: 20}, {analysis: {templates: [{templateName: warp}]}}, "
         "{analysis: {templates: [{templateName: weft}]}}]",
         warp(f"metrics: [{{{OFTEN}}}]") + "---\n" + warp(f"metrics: [{{{ONCE}}}]", "weft")),
    Case("an analysis without a pause", "20 % 0 s\nwoven stage every 30 x3",
         "[{setWeight: 20}, {analysis: {templates: [{templateName: warp}]}}]"),
    Case("several stages with one template", "20 % 60 s\n60 % 300 s!\nwoven stage every 30 x3",
         AFTER[:-1] + ", {setWeight: 60}, {pause: {duration: 300}}, {analysis: {templates: [{templateName: warp}]}}, "
         "{pause: {}}]"),
    Case("a person before the analysis", "20 % 0 s!\nwoven stage every 30 x3\nsaid a person is asked last",
         "[{setWeight: 20}, {pause: {}}, {analysis: {templates: [{templateName: warp}]}}]"),
    Case("one measurement at a long interval", "20 % 60 s\nwoven stage every 300 x1\nevery 30", AFTER,
         metric("interval: 5m, count: 1")),
    Case("intervals that have little in common", "20 % 60 s\nwoven stage every 45 x2\nevery 22.5", AFTER,
         metric("interval: 45s, count: 2")),
    Case("an interval of a prime number of seconds", "20 % 60 s\nwoven stage every 61 x2\nevery 15.25", AFTER,
         metric("interval: 61s, count: 2")),
    Case("an interval shorter than a policy can", "error interval: 200ms is less than a policy can, 0.5s", AFTER,
         metric("interval: 200ms, count: 3")),
    Case("intervals with too little in common",
         "20 % 60 s\nwoven stage every 0.7 x3\nsoft stage every 0.8 x3\nevery 0.5\n"
         "said snapshots 0.1s apart would be needed", AFTER,
         f"[{{interval: 700ms, count: 3, {ONCE}}}, {{interval: 800ms, count: 3, {ONCE.replace('woven', 'soft', 1)}}}]"),
    Case("one measurement without an interval", "20 % 60 s\nwoven stage once\nevery 30", AFTER, f"[{{{ONCE}}}]"),
    Case("a background analysis from the first step", "20 % 600 s\n60 % 600 s\nwoven run delay 240 every 30", TWO,
         ENDLESS, BACKGROUND + "}"),
    Case("a background analysis from a later weight", "20 % 600 s\n60 % 600 s\nwoven run @60 delay 240 every 30", TWO,
         ENDLESS, BACKGROUND + ", startingStep: 2}"),
    Case("a background analysis from within a stage",
         "20 % 900 s\n60 % 600 s\nwoven run start 600 delay 240 every 30",
         TWO.replace("{setWeight: 60}", "{pause: {duration: 5m}}, {setWeight: 60}"), ENDLESS,
         BACKGROUND + ", startingStep: 2}"),
    Case("a background analysis from a step that is not there", "error startingStep 9: there are 4 steps", TWO, ENDLESS,
         BACKGROUND + ", startingStep: 9}"),
    Case("a background analysis before the first weight",
         "20 % 60 s\nwoven run delay 240 every 30\nsaid before the first",
         "[{setCanaryScale: {weight: 10}}, {setWeight: 20}, {pause: {duration: 1m}}]", ENDLESS, BACKGROUND + "}"),
    # Durations and numbers
    Case("a pause of seconds", "20 % 300 s\nwoven stage every 30 x3", after("300")),
    Case("a pause of seconds as text", "20 % 300 s\nwoven stage every 30 x3", after('"300"')),
    Case("a pause in Go's units", "20 % 5400 s\nwoven stage every 30 x3", after("1.5h")),
    Case("a pause of which a part of a second is cut off", "20 % 90 s\nwoven stage every 30 x3", after("1m30.9s")),
    Case("a pause of a day", "error :7:51: spec.strategy.canary.steps.1.pause.duration: '1d' is no", after("1d")),
    Case("a pause that other YAML reads as minutes", "error pause.duration: '5:00' is no duration", after("5:00")),
    Case("a pause below zero", "error pause.duration: Input should be greater than or equal to 0", after("-5")),
    Case("an interval without a unit", "error interval: '30' is no duration for Argo", AFTER,
         metric('interval: "30", count: 3')),
    Case("an interval as a number", "error interval: Argo takes text here: write it with its unit, such as 30s", AFTER,
         metric("interval: 30, count: 3")),
    Case("a delay in two units", "20 % 60 s\nwoven stage delay 90 every 30 x3", AFTER,
         metric("interval: 30s, count: 3, initialDelay: 1m30s")),
    Case("counts as text", "20 % 60 s\nwoven stage every 30 x5 failed 2", AFTER,
         metric('interval: 30s, count: "5", failureLimit: "2"')),
    Case("a count that is no number", "error count: Input should be a valid integer", AFTER,
         metric("interval: 30s, count: true")),
    Case("limits", "20 % 60 s\nwoven stage every 30 x9 failed 2 unclear 3 errors 7 row 4", AFTER,
         metric("interval: 30s, count: 9, failureLimit: 2, inconclusiveLimit: 3, consecutiveErrorLimit: 7, "
                "consecutiveSuccessLimit: 4")),
    Case("a weight as text", "error steps.0.setWeight: Input should be a valid integer", AFTER.replace("20", '"20"')),
    Case("weights in parts of a thousand", "5 % 60 s\nwoven stage every 30 x3", AFTER.replace("20", "50"),
         canary="trafficRouting: {maxTrafficWeight: 1000, nginx: {stableIngress: loom}}"),
    Case("parts of a thousand where Argo knows none", "error Argo refuses maxTrafficWeight", AFTER,
         canary="trafficRouting: {maxTrafficWeight: 1000, istio: {}}"),
    # Arguments
    Case("an argument of the Rollout", "20 % 60 s\nwoven stage once asks xwool",
         **given("{name: of, value: wool}", ASKED)),
    Case("an argument of the template", "20 % 60 s\nwoven stage once asks xlinen", AFTER,
         warp(f"args: [{{name: of, value: linen}}], {QUERY}")),
    Case("the Rollout's before the template's", "20 % 60 s\nwoven stage once asks xwool",
         **given("{name: of, value: wool}", f"args: [{{name: of, value: linen}}], {QUERY}")),
    Case("a label of the Rollout", "20 % 60 s\nwoven stage once asks xsilk",
         **given("{name: of, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['team']\"}}}",
                 ASKED)),
    Case("a number of the Rollout", "20 % 60 s\nwoven stage once asks x4",
         **given("{name: of, valueFrom: {fieldRef: {fieldPath: spec.replicas}}}", ASKED)),
    Case("a label as Argo cannot read it", "error metadata.labels.team cannot be read",
         **given("{name: of, valueFrom: {fieldRef: {fieldPath: metadata.labels.team}}}", ASKED)),
    Case("the hash of the canary", "20 % 60 s\nwoven stage once asks x{{canary_hash}}",
         **given("{name: of, valueFrom: {podTemplateHashValue: Latest}}", ASKED)),
    Case("a source beside a value", "20 % 60 s\nwoven stage once asks x{{canary_hash}}",
         **given("{name: of, value: wool, valueFrom: {podTemplateHashValue: Latest}}", ASKED)),
    Case("an argument that nobody gives", "error args.of was not resolved", AFTER, warp(ASKED)),
    Case("an argument that no template declares", "error {{args.of}} has no value",
         **given("{name: of, value: wool}", QUERY)),
    Case("a secret wins over what the Rollout gives", "error args.of comes from a Secret",
         **given("{name: of, value: wool}",
                 f"args: [{{name: of, valueFrom: {{secretKeyRef: {{name: a, key: b}}}}}}], {QUERY}")),
    Case("two defaults for one argument",
         "error Argument `of` specified multiple times with different values: 'wool' in warp, 'silk' in weft",
         AFTER.replace("{templateName: warp}", "{templateName: warp}, {templateName: weft}"),
         warp(f"args: [{{name: of, value: wool}}], {QUERY}") + "---\n"
         + warp(f"args: [{{name: of, value: silk}}], {QUERY.replace('woven', 'dyed')}", "weft")),
    Case("one default twice", "20 % 60 s\nwoven stage once asks xwool\ndyed stage once asks xwool",
         AFTER.replace("{templateName: warp}", "{templateName: warp}, {templateName: weft}"),
         warp(f"args: [{{name: of, value: wool}}], {QUERY}") + "---\n"
         + warp(f"args: [{{name: of, value: wool}}], {QUERY.replace('woven', 'dyed')}", "weft")),
    # Templates and dry runs
    Case("two metrics of one name", "error two metrics have the same name 'woven', in warp and in weft",
         AFTER.replace("{templateName: warp}", "{templateName: warp}, {templateName: weft}"),
         warp(f"metrics: [{{{ONCE}}}]") + "---\n" + warp(f"metrics: [{{{ONCE}}}]", "weft")),
    Case("a template of templates", "20 % 60 s\nwoven stage once",
         AFTER, warp("templates: [{templateName: weft, clusterScope: true}]") + "---\n"
         + warp(f"metrics: [{{{ONCE}}}]", "weft", "ClusterAnalysisTemplate")),
    Case("a dry run by a pattern", "20 % 60 s\nwoven stage once dry\nsoft stage once", AFTER,
         warp(f"dryRun: [{{metricName: '^w.*n$'}}], metrics: [{{{ONCE}}}, {{{ONCE.replace('woven', 'soft', 1)}}}]")),
    Case("a dry run by no pattern", "error :11:30: Argo refuses this analysis: dryRun: '*-woven' is not a valid", AFTER,
         warp(f"dryRun: [{{metricName: '*-woven'}}], metrics: [{{{ONCE}}}]")),
    Case("a dry run by a pattern that only Python has", "error dryRun: '(?<=a)b' is not a valid regular", AFTER,
         warp(f"dryRun: [{{metricName: '(?<=a)b'}}], metrics: [{{{ONCE}}}]")),
    Case("a dry run of no metric", "error dryRun: 'silk' matches no metric; there are woven", AFTER,
         warp(f"dryRun: [{{metricName: silk}}], metrics: [{{{ONCE}}}]")),
    Case("another provider beside", "20 % 60 s\nwoven stage once\nlost metric dyed of warp: provider datadog", AFTER,
         f"[{{{ONCE}}}, {{name: dyed, provider: {{datadog: {{query: q}}}}}}]"),
    # Steps
    Case("a step with two actions", "error steps.0: a step has one action, this one 2, setWeight and pause",
         "[{setWeight: 20, pause: {duration: 5m}}, {analysis: {templates: [{templateName: warp}]}}]"),
    Case("a step without an action", "error steps.0: a step without an action", "[{setwait: 20}, " + AFTER[1:]),
    Case("steps that stay with Argo", f"{USUAL}\nsaid steps[3].experiment stays in the Rollout",
         AFTER[:-1] + ", {experiment: {duration: 5m, templates: []}}]"),
    # Files
    Case("other kinds beside", f"{USUAL}\nsaid passed over: Service loom, VirtualService loom",
         before="kind: Service\nmetadata: {name: loom}\n---\nkind: VirtualService\nmetadata: {name: loom}\n---\n"),
    Case("a template of another namespace", "error AnalysisTemplate warp is in none of the files", AFTER,
         warp(f"metrics: [{{{ONCE}}}]").replace("{name: warp}", "{name: warp, namespace: yard}")),
    Case("merge keys", f"{USUAL}\ndyed stage every 30 x3", AFTER,
         f"kind: AnalysisTemplate\nmetadata: {{name: warp}}\nspec:\n  metrics:\n  - &woven {{{OFTEN}}}\n"
         "  - <<: *woven\n    name: dyed\n"),
    Case("a list as kubectl gives it", USUAL, AFTER,
         "kind: List\nitems:\n- kind: AnalysisTemplate\n  metadata: {name: warp}\n"
         f"  spec: {{metrics: [{{{OFTEN}}}]}}\n"),
    Case("a chart that breaks YAML", "error :7:51: no YAML: this is a Helm template", after("{{ .Values.pause }}")),
    Case("a chart that is YAML by chance", "error this is a Helm template that is not rendered yet", AFTER,
         metric('interval: "{{ .Values.every }}", count: 3')),
    Case("templates of others in a pod's annotations", USUAL,
         before="kind: ConfigMap\nmetadata: {name: loom}\ndata: {a: '{{ with secret \"x\" }}'}\n---\n"),
    Case("a canary of Flagger beside", f"{USUAL}\nsaid passed over: Flagger's Canary",
         before="apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: loom}\n---\n"),
]  # fmt: skip

ALONE = [
    ("apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: loom}\n", ":1:1: this is Flagger's Canary"),
    ('{\n\t"name": "mill", "judge": {"name": "NetflixACAJudge-v1.0"},\n\t"metrics": []\n}', "this is Kayenta's canary"),
    ("apiVersion: argoproj.io/v1alpha1\nkind: Experiment\nmetadata: {name: loom}\n", "this is an Experiment"),
    ("apiVersion: argoproj.io/v1alpha1\nkind: AnalysisRun\nmetadata: {name: loom}\n", "this is an AnalysisRun"),
    ("apiVersion: rollouts.kruise.io/v1beta1\nkind: Rollout\nmetadata: {name: loom}\n", "this is OpenKruise's Rollout"),
    ("{{- if .Values.canary }}\nkind: Rollout\n{{- end }}\n", ":1:1: no YAML: this is a Helm template"),
    ("replicas: 3\n", ":1:1: no manifest: it has no kind"),
    ("kind: Rollout\nspec: &a {b: *a, : : }", "no YAML"),
]
