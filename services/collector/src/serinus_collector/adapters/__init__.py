"""The registry of runs in Redis, and the processes that read large answers."""
