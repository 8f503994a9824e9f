"""Walls between the parties of a trial that run on one machine as one user: each sees its own folders alone."""
