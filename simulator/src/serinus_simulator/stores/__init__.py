"""Stores that keep sums by period and no counters, as their vendors' documents and recorded answers have them."""
