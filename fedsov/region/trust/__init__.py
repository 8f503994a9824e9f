"""Whom and what a region trusts, by its own settings: peers by keys, applications by files, documents by content."""
