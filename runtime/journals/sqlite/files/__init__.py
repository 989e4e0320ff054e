"""The journal's file: where it lies, what it is, whose it is, and how it is opened."""
