"""A region joins: its invitation and request, the package that it is answered, and the keys that it pins."""
