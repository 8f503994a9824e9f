"""Both halves of every aggregation algorithm, pure: what happens to a client's steps, and what becomes of updates."""
