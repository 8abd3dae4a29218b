"""Evidence and verdicts in Redis."""
