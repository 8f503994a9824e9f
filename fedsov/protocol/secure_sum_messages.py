"""What is said in a secure sum, as Flower's records: the names of the four steps, and keys and shares in JSON.

The steps are those of `fedsov.privacy.secure_aggregation.protocol`; bytes are written in hexadecimal. Reading what
another party wrote raises KeyError, TypeError, ValueError, AttributeError or EOFError where it is not of this form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.privacy.secure_aggregation.protocol import KeyAdvertisement, RevealedShares
from fedsov.protocol.flower_messages import VERSION_KEY, config_of, question_digest

ADVERTISE, SHARE, MASK, UNMASK = "query.advertise", "query.share", "train.masked", "query.unmask"
TOLD = "told"
COMPLAINT = "complaint"
"""The record of an answer to `MASK` in the place of words: whose letters could not be opened."""
OF_STEP = (TOLD, "words", "server-round", VERSION_KEY)
"""Settings of a step that the terms of the sum hold, or that differ from member to member."""
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, EOFError)


def record(said: Mapping[str, Any]) -> ConfigRecord:
    """A value as the one text of a record."""
    return ConfigRecord({"json": json.dumps(said)})


def said_in(message: Message, name: str) -> dict[str, Any]:
    """The value that an answer's record holds."""
    return _mapping(message.content.config_records[name]["json"])


def told_in(message: Message) -> dict[str, Any]:
    """What a step's question says beside the round: a text in its configuration, for each record costs time."""
    return _mapping(message.content.config_records["config"][TOLD])


def _mapping(text: Any) -> dict[str, Any]:
    found = json.loads(str(text))
    if not isinstance(found, dict):
        raise TypeError("a step of a secure sum tells a mapping")
    return found


def asked_alike(message: Message) -> str:
    """SHA-256 (hexadecimal) of what a round asks of every member alike: arrays, and settings beside the step's own."""
    config = {key: value for key, value in config_of(message).items() if key not in OF_STEP}
    return question_digest(Message(RecordDict({**message.content, "config": ConfigRecord(config)}), 0, "train"))


def hexed(several: Mapping[str, bytes]) -> dict[str, str]:
    """Bytes by name, in hexadecimal."""
    return {name: content.hex() for name, content in several.items()}


def unhexed(several: Mapping[str, str]) -> dict[str, bytes]:
    """The inverse of `hexed`."""
    return {name: bytes.fromhex(text) for name, text in several.items()}


def keys_said(advert: KeyAdvertisement) -> dict[str, str]:
    """A region's keys, without its name: that is known from where they came."""
    return {
        "channel": advert.channel.hex(),
        "mask": advert.mask.hex(),
        "seed": advert.seed.hex(),
        "signature": advert.signature.hex(),
    }


def keys_of(member: str, said: Mapping[str, str]) -> KeyAdvertisement:
    """The inverse of `keys_said`."""
    return KeyAdvertisement(member, **unhexed({name: said[name] for name in ("channel", "mask", "seed", "signature")}))


def opened_said(opened: RevealedShares) -> dict[str, dict[str, str]]:
    """Shares that a region gives."""
    return {"seeds": hexed(opened.seeds), "keys": hexed(opened.keys)}


def opened_of(said: Mapping[str, Mapping[str, str]]) -> RevealedShares:
    """The inverse of `opened_said`."""
    return RevealedShares(unhexed(said["seeds"]), unhexed(said["keys"]))
