"""Where a coordinator answers, and the headers of a request: what both ends spell alike.

`fedsov.runtimes.deployment.hub.coordinator` lists the requests, and who may make them.
"""

PREFIX = "/fedsov/v1"
FLEET, GRID, JOBS = f"{PREFIX}/fleet", f"{PREFIX}/grid", f"{PREFIX}/jobs"
REGIONS, RUNS = f"{PREFIX}/regions", f"{PREFIX}/runs"
WAITS = "fedsov-wait"
"""Seconds that a request waits at the coordinator for something to come."""
HAS = "fedsov-has"
"""The message that a region had last, which is not handed to it again."""
TOKEN = "fedsov-token"
"""By what a run is known."""
