"""A small world over HTTP for Serinus: Argo Rollouts on a Kubernetes API, pods that count, and Prometheus."""
