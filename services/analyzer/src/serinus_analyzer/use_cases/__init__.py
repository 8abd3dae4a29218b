"""Judging snapshots in the order of their chain, one verdict for each, committed in one step."""
