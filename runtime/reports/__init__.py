"""Reports: definitions and runs as people look at them."""
