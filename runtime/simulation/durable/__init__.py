"""A disk that outlives the simulated process: what is kept of it, when it dies, how the next one goes on."""
