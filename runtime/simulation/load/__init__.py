"""Capacity what-if: a stream of runs against a pipeline's limits, in virtual time, and what becomes of it."""
