"""The subcommand breakers: which circuits are open or set by hand, and setting them."""
