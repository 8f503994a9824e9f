"""The endpoints of regions: their settings, how they stand, what they need while they run, and those of a trial."""
