"""The terminal, and the standard streams, as the command uses them."""
