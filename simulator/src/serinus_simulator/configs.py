"""Configuration files by which others reach the simulator: a kubeconfig and a prometheus.yml."""

from __future__ import annotations

import yaml


def kubeconfig(url: str) -> str:
    """A kubeconfig whose only context is the simulator, without credentials."""
    name = "serinus-simulator"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    return str(yaml.safe_dump(config, sort_keys=False))


def prometheus_config(url: str, scrape_interval: float) -> str:
    """A prometheus.yml with which a real Prometheus scrapes every pod of the simulator.

    Discovery gives each target its labels and its path, so nothing has to be relabelled.
    """
    interval = f"{round(scrape_interval * 1000)}ms"
    job = {"job_name": "simulator", "http_sd_configs": [{"url": f"{url}/sd", "refresh_interval": "1s"}]}
    config = {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": [job]}
    return str(yaml.safe_dump(config, sort_keys=False))
