"""Tells people what happens to their releases."""
