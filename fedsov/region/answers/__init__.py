"""What a region answers about people's rows, and what it remembers of its answers."""
