"""What if: replays a recorded run under other policies, with what its handlers gave and without side effects."""
