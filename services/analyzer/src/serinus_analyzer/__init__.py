"""The analyzer turns metric snapshots into verdict events. It needs no configuration but Redis."""
