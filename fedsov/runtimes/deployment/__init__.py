"""Parties on machines of their own, which trust neither the hub nor each other."""
