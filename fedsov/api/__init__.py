"""The composition root: what commands and notebooks call."""
