"""What an exploration tells of a user's pipeline: what of it was reached, why runs failed, and both in words."""
