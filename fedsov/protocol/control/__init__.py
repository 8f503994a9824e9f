"""What a region and the hub's control plane say to each other, in ``control.proto``; the code beside it is generated.

    from fedsov.protocol.control import control_pb2 as control

    report = control.RunningReport(counter=3, endpoint="serving")

The subjects below are what a long poll waits for: the hub announces each with a number that only grows.
"""

PROTOCOL = 1
"""The version of ``control.proto``; a service and a region with different ones say so in `Hello`."""
SERVICE = "fedsov.control.v1.Control"

APPROVED = "approved"
"""The region's approved list was published."""
ROLLOUTS = "rollouts"
"""A version waits for the region's signature, or none does any more."""
CONFIGURATION = "configuration"
"""Settings were proposed to the region."""
HEADS = "heads"
"""Other parties' heads wait for its countersignature."""
METRICS = "metrics"
"""The hub asks for a release of what is due."""
SUBJECTS = (APPROVED, ROLLOUTS, CONFIGURATION, HEADS, METRICS)
