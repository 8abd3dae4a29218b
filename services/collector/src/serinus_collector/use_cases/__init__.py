"""Takes one look: the use case between the registry of runs and a metrics provider."""
