"""Redis, Apprise and the file of channels and rules."""
