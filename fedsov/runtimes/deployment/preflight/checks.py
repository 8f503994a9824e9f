"""Every check, in order, and what it needs; see `fedsov.runtimes.deployment.preflight`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fedsov.errors import FedsovError
from fedsov.keys.certificates import HUB, OPERATOR, REGION
from fedsov.runtimes.deployment.preflight import of_hub, of_machine, of_papers, of_region
from fedsov.runtimes.deployment.preflight.values import Amiss, ExaminedHome, Finding

_ALL = (HUB, REGION, OPERATOR)
_AWAY = (REGION, OPERATOR)


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it is called, what it does, which others must be well before it, and of which roles it is asked."""

    name: str
    act: Callable[[ExaminedHome], str]
    needs: tuple[str, ...] = ()
    roles: tuple[str, ...] = _ALL


CHECKS = (
    Check("software", of_machine.software),
    Check("telemetry", of_machine.telemetry),
    Check("disk", of_machine.disk),
    Check("party file", of_papers.party_file),
    Check("ports", of_machine.ports, ("party file",), (HUB, REGION)),
    Check("key file", of_papers.key_file),
    Check("certificate", of_papers.certificate, ("party file",)),
    Check("certificate and key", of_papers.certificate_key, ("certificate", "key file")),
    Check("days left", of_papers.days_left, ("certificate",)),
    Check("ledger", of_region.ledger, ("party file",), (HUB, REGION)),
    Check("region.yaml", of_region.settings, ("ledger",), (REGION,)),
    Check("keys", of_region.keys, ("region.yaml",), (REGION,)),
    Check("stores", of_region.stores, ("keys",), (REGION,)),
    Check("revocation", of_papers.revoked, ("certificate", "ledger", "region.yaml"), (HUB, REGION)),
    Check("hub's name", of_hub.name, ("party file",)),
    Check("hub's port", of_hub.port, ("hub's name",), _AWAY),
    Check("control plane's port", of_hub.control_port, ("hub's name",), (REGION,)),
    Check("handshake", of_hub.handshake, ("hub's port", "certificate and key"), _AWAY),
    Check("clock", of_hub.clock, ("handshake",), _AWAY),
)
"""In the order in which they are made."""


def preflight(examined: ExaminedHome) -> Iterator[Finding]:
    """Makes every check that is asked of the party's role, one after the other."""
    role, well = _role(examined), dict[str, bool]()
    for check in CHECKS:
        if role and role not in check.roles:
            continue
        missing = [need for need in check.needs if not well.get(need, True)]
        finding = _made(check, examined) if not missing else _not_made(check, missing[0])
        well[check.name] = finding.is_well
        yield finding


def _role(examined: ExaminedHome) -> str:
    """The party's role; empty where its file cannot be read, and every check is asked."""
    try:
        return examined.party.role
    except FedsovError:
        return ""


def _made(check: Check, examined: ExaminedHome) -> Finding:
    try:
        return Finding(check.name, check.act(examined))
    except Amiss as amiss:
        return Finding(check.name, problem=str(amiss), mend=amiss.mend)
    except FedsovError as error:  # its sentence ends with what mends it
        problem, _, mend = str(error).rpartition("; ")
        return Finding(check.name, problem=problem or mend, mend=mend if problem else "restore your copy")


def _not_made(check: Check, missing: str) -> Finding:
    return Finding(check.name, problem=f"it needs {missing}", mend=f"mend {missing} first", made=False)
