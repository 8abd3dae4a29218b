"""Holds what Serinus told of runs against what the scrapes of the simulator really showed."""
