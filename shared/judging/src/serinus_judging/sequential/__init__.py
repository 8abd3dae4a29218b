"""The default judge: e-processes on counts, right at every evaluation (docs/judging.md)."""
