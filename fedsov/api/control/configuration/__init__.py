"""Settings that a hub proposes, and what each region makes of them."""
