"""The handlers of the built-in node types and actions: what does the work of a node."""
