"""What must hold in every seed: invariants, the reference, properties of the user."""
