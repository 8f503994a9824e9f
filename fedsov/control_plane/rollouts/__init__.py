"""Rollouts: a version of a model comes to its regions step by step, and goes back at once."""
