"""What a region's owner says of its endpoint, and whose requests the border lets it take."""
