"""The strategies of a region: from its rows and what it received to a model."""
