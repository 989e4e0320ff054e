"""What the actors need from the world: time, dispatching, journals, handlers, and the ways in for users."""
