"""Gateways before the regions' endpoints: their table, and what `fedsov gateway` does with it."""
