"""The subcommands that make new runs of old ones: retry, fork, export and import."""
