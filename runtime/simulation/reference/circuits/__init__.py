"""The reference model of circuit breakers: who gets a permit, and when circuits open."""
