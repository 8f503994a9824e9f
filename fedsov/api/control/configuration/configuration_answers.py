"""What regions answer to the hub's proposals of settings, taken by the service: it loads no library of rows."""

from __future__ import annotations

from fedsov.api.control.control_hub import ControlHub
from fedsov.control_plane.configuration.standing import take_answer
from fedsov.errors import CertificateRefused
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.proposed_settings import SettingsAnswer
from fedsov.runtimes.deployment.hub.access import Caller

NOTE = "configuration"
"""What the hub's ledger calls the note of a proposal, a withdrawal or an answer."""


def take_region_answer(hub: ControlHub, who: Caller, answer: control.ConfigurationAnswer) -> control.Receipt:
    """Takes what a region says of its settings, by its certificate and its ledger's signature.

    Raises CertificateRefused for another region's word, or a signature that does not hold; ConfigurationError.
    """
    taken = SettingsAnswer.from_signed(answer.document, hub.repository.enrolled().get(who.name, ""))
    if taken.region != who.name:
        raise CertificateRefused(f"{who.name} answered for {taken.region}; a region answers for itself alone")
    with hub.database.changing() as connection:
        is_new = take_answer(connection, taken)
    if is_new:
        about = {"region": taken.region, "number": taken.number, "refused": sorted(taken.refused), "waits": taken.waits}
        hub.ledger.note({NOTE: {"act": "answered", **about, "digest": taken.digest}})
    return control.Receipt(number=str(taken.number))
