"""The pytest plugin: the `sim` fixture and marker, seeds, tapes and options."""
