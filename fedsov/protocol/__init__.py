"""What hub and region say to each other."""

SEALED_ROWS = "parcels"
"""The record that carries sealed synthetic rows, one item a recipient."""
NOT_DISCLOSED = "not disclosed"
"""Told instead of how the selected model came about, which validation rows decide."""
