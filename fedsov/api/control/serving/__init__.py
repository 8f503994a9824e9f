"""A region takes the lists of versions that both signed, judges what runs by them, and tells the hub."""
