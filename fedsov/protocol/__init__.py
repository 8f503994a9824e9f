"""What hub and region say to each other."""
