"""The hub's control plane as one process: what answers regions and people, and what it does by itself."""
