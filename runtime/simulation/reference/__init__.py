"""The reference model: each run, each of its nodes and each circuit once more, small, slow and obvious."""
