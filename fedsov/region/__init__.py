"""What runs in a jurisdiction: it opens its own store, answers the hub's questions, and lets nothing out by itself."""
