"""Settings of regions in tests: the closed ones, and a secret that divides their rows."""

from __future__ import annotations

from fedsov.region.settings import RegionSettings

SECRET = bytes(range(32))
CLOSED = RegionSettings("DE")
EXAMPLES = "made up by a test of fedsov"
"""What calls the rows of tests examples."""
