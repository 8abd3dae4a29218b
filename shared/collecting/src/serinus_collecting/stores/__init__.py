"""Stores that keep sums by period and no counters, each by its vendor's API."""
