"""A rollout of a model's version: proposed, approved at the hub and in each region, and followed from there."""
