"""Dispatchers: who takes the next actor with mail."""
