"""The runs in memory, and who is told of their changes."""
