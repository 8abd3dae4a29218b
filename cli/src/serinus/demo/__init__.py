"""`serinus demo`: the whole of Serinus on one machine, judging three releases of a simulated shop."""
