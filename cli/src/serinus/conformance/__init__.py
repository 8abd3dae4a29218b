"""Whether what a collector writes keeps the contract of snapshots."""
