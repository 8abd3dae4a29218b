"""Judges by rules of other tools, and the classical statistics that they use (docs/explanation/judging.md, "Other
judges")."""
