"""What regions let the hub know of the use of their endpoints: kept as it came, added up, and told to monitors."""
