"""How a region comes to its model: each strategy makes a candidate of the region's rows and what it received."""
