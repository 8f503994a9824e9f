"""An endpoint as a party's supervisor starts it (`fedsov.runtimes.deployment.supervision.supervisor`)."""

from __future__ import annotations

import sys

from fedsov.keys.certificates import REGION
from fedsov.runtimes.deployment.supervision.parties import ENVIRONMENT
from fedsov.runtimes.deployment.supervision.supervisor import Backoff, Service
from fedsov.runtimes.serving.place import EndpointPlace

SECONDS_TO_DRAIN = 20.0


def endpoint_service(place: EndpointPlace) -> Service:
    """The process that listens and keeps the workers; `publish` has written the place's file before it starts."""
    command = [sys.executable, "-m", "fedsov.runtimes.serving.endpoint_process", str(place.path), place.region_key]
    return Service(
        f"{place.region} (endpoint)",
        REGION,
        command,
        environment=ENVIRONMENT,
        grace=SECONDS_TO_DRAIN,
        backoff=Backoff(first=0.2, most=10.0),
    )
