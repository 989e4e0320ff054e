"""The reading side: one thread with a connection that can only read, in short transactions."""
