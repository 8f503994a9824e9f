"""Hydra's configuration becomes settings."""
