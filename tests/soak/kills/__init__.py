"""Real kills: a program whose runs are at work is killed with -9 again and again, and goes on; `make test-long`."""
