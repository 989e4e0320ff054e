"""From a file or a mapping to what can run: read, discovered, bound, compiled."""
