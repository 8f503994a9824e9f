"""What the hub knows of how a version came about, from its ledger and what is installed, as a signed statement."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import fedsov
from fedsov.control_plane.repository.provenance import Provenance, written_provenance
from fedsov.control_plane.rollouts.proposal import ProposedVersion
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.ledger.signed_head import Head


def provenance_of(proposal: ProposedVersion, hub: Ledger) -> bytes:
    """The statement of a version that was proposed, signed by the hub. Raises LedgerBroken."""
    return written_provenance(
        Provenance(
            model=proposal.model,
            version=proposal.version,
            hub=hub.owner,
            files=dict(proposal.files),
            run=proposal.run,
            dataset=proposal.dataset,
            label=proposal.label,
            heads=heads_of_run(hub, proposal.run),
            verdict=proposal.verdict,
            report=proposal.report,
            code={"fedsov": (version("fedsov"), code_digest())},
            at=entry_time(),
        ),
        hub,
    )


def heads_of_run(hub: Ledger, run: str) -> dict[str, Head]:
    """The heads of the regions' ledgers as a run noted them last, by owner; none of a run that noted none."""
    noted = [entry.body["note"]["heads"] for entry in hub.notes("heads") if entry.body.get("run") == run]
    return {} if not noted else _heads(noted[-1])


def _heads(noted: Mapping[str, object]) -> dict[str, Head]:
    try:
        return {owner: Head.from_json(head) for owner, head in noted.items()}
    except ConfigurationError:
        return {}  # of a run before heads were signed: the statement names none


@cache
def code_digest() -> str:
    """SHA-256 over every module of the installed package, by path and content."""
    digest, root = hashlib.sha256(), Path(fedsov.__file__).parent
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()
