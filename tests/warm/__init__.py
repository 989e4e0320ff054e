"""Python programs that tests start in the time of a fork."""
