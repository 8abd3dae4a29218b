"""Kubernetes, Redis and policy files."""
