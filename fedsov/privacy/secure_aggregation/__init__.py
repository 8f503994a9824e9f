"""Secure aggregation: a sum whose parts nobody learns (Bonawitz et al. 2017, double masking)."""
