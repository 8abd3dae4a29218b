"""`serinus replay`: what any policy would have decided on looks that were taken, or could have been."""
