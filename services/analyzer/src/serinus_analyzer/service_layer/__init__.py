"""Folds looks into evidence, in the order of their chain, and publishes one verdict for each."""
