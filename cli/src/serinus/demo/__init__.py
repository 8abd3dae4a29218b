"""`serinus demo`: the whole of Serinus on one machine, judging four releases of a simulated shop."""
