"""The control plane put together: the hub's process, a region's, and what commands ask of them."""
