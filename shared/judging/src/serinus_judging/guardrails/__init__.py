"""Checks beside every judge: pods, gauges and the split of the traffic (docs/explanation/judging.md)."""
