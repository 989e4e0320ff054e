"""The schema: numbered SQL files, each brings a journal from the version before to its own."""
