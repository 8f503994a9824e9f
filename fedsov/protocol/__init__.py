"""What hub and region say to each other."""

SEALED_ROWS = "parcels"
"""The record that carries sealed synthetic rows, one item a recipient."""
TRAINING, BASE_MODEL = "training", "base_model"
"""Purposes of crossings: of all of a run, and of a base model of rows whose people consented to one."""
NOT_DISCLOSED = "not disclosed"
"""Told instead of how the selected model came about, which validation rows decide."""
