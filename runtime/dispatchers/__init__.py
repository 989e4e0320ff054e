"""Dispatchers: who carries the mail between actors; the seeded one is the simulation's."""
