"""What a pipeline is and what may happen to it: pure values and pure machines, no I/O and no clock."""
