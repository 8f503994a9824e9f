"""The approval of a model's version for a region: its files, its verdict, its crossing and the signed list."""
