"""What bound the updates that a region sent, so that it knows a global model that comes back with fewer bonds.

A hub names the label of each model that it sends. The label of a global model is at least that of each update that went
into it; one that lacks a bond of this region's own updates was taken away from on the way, and is refused. The label is
remembered in the run's journal, beyond this process.

Deliberately not here: the bonds of other regions' updates, which this region never saw.
"""

from __future__ import annotations

from flwr.app import Message

from fedsov.errors import FedsovError
from fedsov.label import PUBLIC, Label, Scope
from fedsov.protocol.flower_messages import config_of
from fedsov.protocol.message_types import FINISH, TRAIN
from fedsov.protocol.secure_sum_messages import MASK
from fedsov.region.journal import Journal


class LabelShrunk(FedsovError):
    """A global model that came back with fewer bonds than this region's own updates to it have."""


def check(journal: Journal, message: Message, incoming: Label) -> None:
    """Raises LabelShrunk where a message carries the global model under fewer bonds than were sent up to it."""
    if not _carries_global_model(message):
        return
    sent = Label.from_json(journal.notes["sent"]) if "sent" in journal.notes else PUBLIC
    if sent | incoming != incoming:
        raise LabelShrunk(f"the global model came back as {incoming}, and this region's updates to it are {sent}")


def note(journal: Journal, message: Message, reply: Message, label: Label) -> None:
    """Remembers what bound the update in an answer to a round of the global model."""
    if _carries_global_model(message) and reply.content.array_records:
        before = Label.from_json(journal.notes["sent"]) if "sent" in journal.notes else PUBLIC
        journal.note(sent=(before | label).to_json())


def _carries_global_model(message: Message) -> bool:
    kind, config = message.metadata.message_type, config_of(message)
    is_round = (kind == TRAIN and config.get("scope") == Scope.SHAREABLE) or kind == MASK
    is_end = kind == FINISH and config.get("strategy") == "federated"
    return bool(message.content.array_records) and (is_round or is_end)
