"""Whose rows a source's are: names by their values, subjects, repeated rows, and who changed since."""
