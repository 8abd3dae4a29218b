"""Judges by rules of other tools, and the classical statistics that they use (docs/judging.md, "Other judges")."""
