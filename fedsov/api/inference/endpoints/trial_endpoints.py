"""The endpoints of a trial: one for each region of a workspace, at ports one after the other of this machine.

A region that names no table of issuers gets the trial's (`fedsov.api.inference.endpoints.trial_tokens`), whose key lies
in the workspace: whoever can read it can be anybody. So it is for a trial alone, and a table that the owner named
stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fedsov.api.inference.endpoints.endpoint import Listening, check_free, publish_endpoint, trial_certificate
from fedsov.api.inference.endpoints.endpoint_upkeep import endpoint_services
from fedsov.api.inference.endpoints.trial_tokens import trial_issuer
from fedsov.api.region_settings import set_settings, show
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.jurisdiction import Region
from fedsov.region.serving.hosting import own_jurisdictions
from fedsov.runtimes.deployment.supervision.supervisor import Service
from fedsov.storage.workspace import Workspace

BY, WHY = "fedsov up --serve", "a trial on one machine"
Progress = Callable[[str], None]


def trial_endpoints(root: Path, names: Sequence[str], first: Listening, *, progress: Progress) -> list[Service]:
    """The processes of every region's endpoint, published; what is not served is said by name.

    Args:
        first: where the first one listens; each further one at the next port.

    Raises ConfigurationError where a port is taken, or no region at all can serve.
    """
    services: list[Service] = []
    for place, name in enumerate(names):
        listening = replace(first, port=first.port + place if first.port else 0)
        check_free(listening.host, listening.port, name)
        try:
            services += _endpoint(root, name, listening, progress)
        except FedsovError as error:
            progress(f"{name} has no endpoint: {error}")
    if not services:
        raise ConfigurationError("no region can serve; each has said why")
    return services


def unsaid_jurisdictions(root: Path, regions: Sequence[Region]) -> list[str]:
    """A sentence for each region that the settings describe as holding other people than its endpoint would serve."""
    sentences, names = [], Workspace(root).region_names()
    for region in regions:
        own = show(root, region.name).settings if region.name in names else None
        if own is None or own.parties.region is None or own.serving.jurisdictions:
            continue
        if more := sorted(region.jurisdictions - {*own_jurisdictions(own), *own.serving.hosts}):
            every = ", ".join(sorted(region.jurisdictions))
            sentences.append(
                f"{region.name} holds people of {', '.join(more)}, too, and its endpoint does not serve them; `fedsov "
                f"region set {region.name} serving.jurisdictions=[{every}]` has its border decide"
            )
    return sentences


def _endpoint(root: Path, name: str, listening: Listening, progress: Progress) -> list[Service]:
    if show(root, name).settings.serving.issuers is None:
        table = trial_issuer(root).resolve()
        set_settings(root, [name], [f"serving.issuers={json.dumps(str(table))}"], by=BY, why=WHY)
        progress(f"{name} believes the trial's tokens: whoever can read {table.parent} can be anybody")
    if not show(root, name).settings.metrics.share:
        set_settings(root, [name], ["metrics.share=true"], by=BY, why=WHY)
        progress(f"{name} lets the hub know of its endpoint's use, of ten people or more a number (metrics.share)")
    if listening.tls and trial_certificate(root, name):
        progress(f"{name} has a certificate for this machine, signed by itself: regions/{name}/serving/tls.crt")
    published = publish_endpoint(root, name, listening)
    for line in published.lines():
        progress(line)
    for model in published.listed.models:
        progress(f"{name} answers at {listening.url}/v1/models/{model}/predict")
    return endpoint_services(published.place)
