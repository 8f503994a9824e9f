"""What runs at the hub: planning, rounds, membership, checkpoints. It never sees a record."""
