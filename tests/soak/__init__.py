"""Many seeds over the examples and drawn pipelines with every fault: `make soak`; a share of them in `make test`."""
