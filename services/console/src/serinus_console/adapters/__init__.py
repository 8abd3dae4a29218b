"""Redis, Kubernetes and the web."""
