"""A region's agent as one process: what acts on each thing that the hub has news of."""
