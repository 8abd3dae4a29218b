"""Where requests come in: the web."""
