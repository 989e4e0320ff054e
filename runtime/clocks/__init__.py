"""Clocks and timers of a real loop; those of virtual time are the simulation's."""
