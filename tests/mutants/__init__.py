"""Mutation testing: what breaks the model must be found, by simulation alone and by the tests: `make mutants`."""
