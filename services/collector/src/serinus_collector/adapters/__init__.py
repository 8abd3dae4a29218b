"""Prometheus over HTTP and the registry of runs in Redis."""
