"""The SQLite journal: events and the index of runs in one file, written by one thread and read by another."""
