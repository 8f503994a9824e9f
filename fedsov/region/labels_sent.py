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

TO_BASE = "sent_to_base"


class LabelShrunk(FedsovError):
    """A global model that came back with fewer bonds than this region's own updates to it have."""


def check(journal: Journal, message: Message, incoming: Label) -> None:
    """Raises LabelShrunk where the global or a base model comes under fewer bonds than were sent up to it."""
    if (name := _note_of(message)) is None:
        return
    sent = Label.from_json(journal.notes[name]) if name in journal.notes else PUBLIC
    if sent | incoming != incoming:
        what = "base model" if name == TO_BASE else "global model"
        raise LabelShrunk(f"the {what} came back as {incoming}, and this region's updates to it are {sent}")


def note(journal: Journal, message: Message, reply: Message, label: Label) -> None:
    """Remembers what bound the update in an answer to a round of the global model, or of a base model."""
    if (name := _note_of(message)) is not None and reply.content.array_records:
        before = Label.from_json(journal.notes[name]) if name in journal.notes else PUBLIC
        journal.note(**{name: (before | label).to_json()})


def _note_of(message: Message) -> str | None:
    """Under which name it is noted what went up to the model that a message carries: the global one, or a base model.

    None where it carries neither.
    """
    kind, config = message.metadata.message_type, config_of(message)
    is_round = (kind == TRAIN and config.get("scope") == Scope.SHAREABLE) or kind == MASK
    is_end = kind == FINISH and config.get("strategy") == "federated"
    if not message.content.array_records:
        return None
    if kind == TRAIN and config.get("scope") == Scope.CONSENTED:
        return TO_BASE
    return "sent" if is_round or is_end else None
