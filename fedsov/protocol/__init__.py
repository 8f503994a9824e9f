"""What hub and region say to each other."""

SEALED_ROWS = "parcels"
"""The record that carries sealed synthetic rows, one item a recipient."""
