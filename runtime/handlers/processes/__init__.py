"""Processes that can be killed and leave nothing behind: workers for handlers, leaders for commands, one spawner."""
