"""A metrics provider's answers to snapshots. `ports`: what collecting needs from outside; `collect_snapshot` takes one
snapshot; `prometheus` asks; `provider_auth` signs in (by `clouds` too) to what the file of `providers` names.

A collector collects many runs, which it leases in Redis; `collected_run` collects one, in the memory of its process.
"""
