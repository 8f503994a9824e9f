"""With each update a region signs what binds it: run, question, the digest of the update, and its label.

Whoever carries the update can then neither drop a bond nor put the label on another update. The signature is Ed25519,
by the key of the region's ledger; the hub checks it by the key that it was given before the first round
(`fedsov.ledger.known_keys`), and never by one that comes with the answer.

    signature = signed_label(keys.sign, LabelledAnswer("r", "DE", message_id, body, label))
    check_label(LabelledAnswer("r", "DE", message_id, body, label), signature, pinned_key)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from fedsov.errors import FedsovError
from fedsov.label import Label
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.signed_head import signature_holds

FORMAT = "fedsov labelled answer 1"


class LabelUnsigned(FedsovError):
    """A label that the region did not sign for this very answer."""


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer as its region signs it.

    Attributes:
        run, region: where it belongs.
        question: the id of the message that it answers, which belongs to one round.
        body: the packed answer.
        label: what binds it.
    """

    run: str
    region: str
    question: str
    body: bytes = field(repr=False)
    label: Label

    def text(self) -> bytes:
        """What is signed."""
        named = {"format": FORMAT, "run": self.run, "region": self.region, "question": self.question}
        return canonical({**named, "digest": hashlib.sha256(self.body).hexdigest(), "label": self.label.to_json()})


def signed_label(sign: Callable[[bytes], bytes], labelled: LabelledAnswer) -> str:
    """The signature, in hexadecimal."""
    return sign(labelled.text()).hex()


def check_label(labelled: LabelledAnswer, signature: object, key: bytes | None) -> None:
    """Raises LabelUnsigned where the signature is not the region's pinned key's over this answer and this label."""
    if key is None:
        raise LabelUnsigned("nobody gave the hub its verify key, so no label of its is believed")
    if not signature_holds(labelled.text(), key.hex(), str(signature)):
        raise LabelUnsigned("the label of its update is not signed by its pinned key")
