"""The writing side: one thread with one connection, which commits groups of all runs together."""
