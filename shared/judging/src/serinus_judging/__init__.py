"""From a plan and snapshots to a verdict: pure, without I/O, clock and random source."""
