"""What runs in a worker: the attempt, its wire to the host, and the cleaning up after it."""
