"""Faults as data: what a plan may inject into handlers, journal, timers, mail, clock and breakers."""
