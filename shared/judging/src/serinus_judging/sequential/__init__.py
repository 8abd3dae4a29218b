"""The default judge: e-processes on counts, right at every evaluation (docs/explanation/judging.md)."""
