"""What runs in a jurisdiction: a region opens what is its own and answers one message at a time."""
