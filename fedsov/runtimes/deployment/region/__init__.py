"""A region's side of a deployment: its Fleet client, and its own process behind it."""
