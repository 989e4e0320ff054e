"""Handlers: what does the work of a node, and the runners that execute it."""
