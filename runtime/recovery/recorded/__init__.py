"""Runs that are recorded and not at work here: retries for others, and runs that come from files."""
