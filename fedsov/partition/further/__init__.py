"""Rows that come beside those that are stored: appended exactly once, from a source or from whoever sends them."""
