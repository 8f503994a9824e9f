"""The hub's repository: its root, who reads from it, and how a region's agent does."""
