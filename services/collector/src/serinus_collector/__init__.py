"""The collector turns Prometheus counters into metric snapshots on a Redis stream."""
