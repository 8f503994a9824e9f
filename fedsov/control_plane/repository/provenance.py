"""How a version of a model came about, as a statement that others' tools read: in-toto in a DSSE envelope.

    text = written_provenance(Provenance(...), hub_ledger)        # goes with the files, as provenance.json
    read_provenance(text, hub_key)                                # the statement, or ApprovalRefused

The statement (in-toto v1) names the version's files by their digests, and says by the predicate of SLSA (provenance
v1) what they were made of: the run and its parties' ledgers as they stood at its end, what binds the model, the code.
A region's rows are not named: what was ingested is in its ledger, under the head that is named. The hub's ledger key
signs it, so the hub's word is all it proves; the heads are what others can hold it against.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError

from fedsov.control_plane.repository.signing_keys import HoldsKey, TufSigner, public_key
from fedsov.errors import ApprovalRefused
from fedsov.label import Label
from fedsov.ledger.signed_head import Head
from fedsov.storage.bounded_files import parsed_json

FILE = "provenance.json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"
PAYLOAD = "application/vnd.in-toto+json"
BUILD = "fedsov federated training 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known of how a version came about.

    Attributes:
        files: SHA-256 of each file, by name.
        run: its name in the hub's registry.
        heads: of the parties' ledgers, by owner, as the run noted them at its end.
        label: what binds the model.
        code: SHA-256 of the installed package that states this, and its version, by package.
        at: when it was stated, ISO 8601.
    """

    model: str
    version: int
    hub: str
    files: Mapping[str, str]
    run: str
    dataset: str
    label: Label
    heads: Mapping[str, Head]
    verdict: str
    report: str
    code: Mapping[str, tuple[str, str]]
    at: str

    def statement(self) -> dict[str, Any]:
        """The statement, as plain values."""
        ledgers = [
            {
                "name": f"ledger of {owner}",
                "digest": {"sha256": head.digest},
                "annotations": {"entries": head.size, "key": head.key, "signature": head.signature},
            }
            for owner, head in sorted(self.heads.items())
        ]
        code = [
            {"name": package, "digest": {"sha256": digest}, "annotations": {"version": version}}
            for package, (version, digest) in sorted(self.code.items())
        ]
        asked = {"model": self.model, "version": self.version, "run": self.run, "dataset": self.dataset}
        found = {"label": self.label.to_json(), "attack_verdict": self.verdict, "attack_report": self.report}
        return {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": each}} for name, each in sorted(self.files.items())],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD,
                    "externalParameters": asked,
                    "internalParameters": found,
                    "resolvedDependencies": [*ledgers, *code],
                },
                "runDetails": {
                    "builder": {"id": f"spiffe://fedsov/hub#{self.hub}"},
                    "metadata": {"invocationId": self.run, "finishedOn": self.at},
                },
            },
        }


def written_provenance(provenance: Provenance, hub: HoldsKey) -> bytes:
    """The statement, signed by the hub."""
    envelope = Envelope(json.dumps(provenance.statement(), sort_keys=True).encode(), PAYLOAD, {})
    envelope.sign(TufSigner(hub))
    return json.dumps(envelope.to_dict(), indent=1).encode()


def read_provenance(content: bytes, hub_key: str) -> dict[str, Any]:
    """The statement in a text that the hub signed. Raises ApprovalRefused for any other text, type or signature.

    Args:
        hub_key: of the hub's ledger, hexadecimal.
    """
    try:
        envelope = Envelope.from_dict(parsed_json(content))
        envelope.verify([public_key(hub_key)], 1)
        statement = parsed_json(envelope.payload)
        is_known = (envelope.payload_type, statement["_type"], statement["predicateType"]) == (
            PAYLOAD,
            STATEMENT,
            PREDICATE,
        )
    except (VerificationError, ValueError, KeyError, TypeError, AttributeError):
        is_known = False
    if not is_known:
        raise ApprovalRefused(
            f"what should say how the model came about is not signed by the hub whose key is {hub_key[:16]}, or is no "
            "such statement; let the hub's operator propose the version again"
        )
    return dict(statement)
