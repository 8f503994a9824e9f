"""How places are connected."""
