"""`serinus replay`: what any policy would have decided on snapshots that were taken, or could have been."""
