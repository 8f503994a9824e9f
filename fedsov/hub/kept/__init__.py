"""What the hub keeps on its disk from one run to another, signed."""
