"""The same actors in virtual time: seeds, faults and invariants; exploring, shrinking, replay; load and what-if."""
