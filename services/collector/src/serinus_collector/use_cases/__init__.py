"""Collects one snapshot: the use case between the registry of runs and a metrics provider."""
