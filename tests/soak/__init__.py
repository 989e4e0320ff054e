"""Many seeds over the examples with every fault: `make soak`; a share of them in `make test`."""
