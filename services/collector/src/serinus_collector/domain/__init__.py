"""Windows, counting and queries: pure, no I/O, no clock."""
