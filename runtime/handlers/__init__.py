"""What does the work of a node: agents, HTTP calls, commands, Python functions, notifications."""
