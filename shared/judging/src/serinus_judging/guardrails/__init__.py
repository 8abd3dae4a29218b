"""Checks beside every judge: pods, gauges and the split of the traffic (docs/explanation/judging.md).

`checks.evaluate` hands a snapshot from one to the next: `liveness`, `gauge_limits`, then within a stage `pod_series`,
which gathers, and `stage_checks`, which asks `gauge_growth` and `pod_anomaly`; `gauge_faults` last. What they found
changes the judge's assessment in `checks.apply_guardrails`; `report` words it.
"""
