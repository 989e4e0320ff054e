"""The three machines: pure state and transitions, one module each."""
