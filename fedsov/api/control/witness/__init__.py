"""Regions witness each other's ledgers, by way of the hub."""
