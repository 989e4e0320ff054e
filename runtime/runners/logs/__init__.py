"""What attempts say: what their handlers log and their programs write, on its way to loggers and to the journal."""
