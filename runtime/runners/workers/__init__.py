"""Attempts in processes, seen from the host: the pool, and its end of the wire to each worker."""
