"""What callers of the coordinator lean on of Flower's non-public parts: messages as parcels of their objects.

Flower sends a message as a head, a tree of object names, and one request for each object. Here a parcel holds them all
(`fedsov.runtimes.deployment.parcels`), so that a message costs one request, and a model that goes to several regions
travels once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import Message, RecordDict
from flwr.app.message.message import remove_content_from_message
from flwr.app.metadata import Metadata
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import PushAppMessagesRequest
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_body,
    get_object_head_values_from_object_content,
    get_object_tree,
)
from flwr.supercore.inflatable.inflatable_object import no_object_id_recompute as named_once
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from google.protobuf.message import DecodeError

from fedsov.protocol.flower_messages import SizeLimit, check_size, identify
from fedsov.runtimes.deployment.parcels import ParcelDamaged, head_of, pack_parcel, unpack_parcel

__all__ = ["Parcelled", "first_message", "named_once", "parcel_of", "parcelled", "record_names", "record_names_of"]


def parcel_of(messages: Sequence[Message]) -> bytes:
    """Messages as one parcel. Each gets its object's name as its id, as Flower has it.

    Called within `named_once`: otherwise every object is hashed anew at every level above it.
    """
    head, objects = PushAppMessagesRequest(), dict[str, bytes]()
    for message in messages:
        identify(message, message.object_id)
        bare = remove_content_from_message(message) if message.has_content() else message
        head.messages_list.append(message_to_proto(bare))
        head.message_object_trees.append(get_object_tree(message))
        for name, item in get_all_nested_objects(message).items():
            if name not in objects:
                objects[name] = item.deflate()
    return pack_parcel(head.SerializeToString(), objects)


@dataclass(frozen=True, slots=True)
class Parcelled:
    """A message that came, not laid out yet: who sent it, what it answers, and its objects by their names."""

    name: str
    head: ProtoMessage = field(repr=False)
    objects: Mapping[str, bytes] = field(repr=False)

    @property
    def metadata(self) -> Metadata:
        """Flower's."""
        return message_from_proto(self.head).metadata

    def message(self, limit: SizeLimit | None = None) -> Message:
        """The message, whose arrays are laid out now.

        Raises MessageTooLarge for one beyond the limit, ParcelDamaged, and whatever a reading of bytes can raise.
        """
        if limit is not None:
            check_size(self.objects, self.head.ByteSize(), limit)
        message = message_from_proto(self.head)
        if self.objects:
            message = _inflated(self.name, self.objects)
        identify(message, self.name)
        return message


def parcelled(parcel: bytes) -> list[Parcelled]:
    """The messages of a parcel, whose objects are those that are named. Raises ParcelDamaged, DecodeError."""
    content, objects = unpack_parcel(parcel)
    head = PushAppMessagesRequest.FromString(content)
    return [
        Parcelled(str(tree.object_id), bare, {name: objects[name] for name in _names(tree) if name in objects})
        for bare, tree in zip(head.messages_list, head.message_object_trees, strict=True)
    ]


def first_message(parcel: bytes) -> str:
    """The id of a parcel's first message; nothing of it is laid out. Raises ParcelDamaged."""
    try:
        return str(PushAppMessagesRequest.FromString(head_of(parcel)).message_object_trees[0].object_id)
    except (DecodeError, IndexError):
        raise ParcelDamaged("a parcel without a message") from None


def _inflated(root: str, objects: Mapping[str, bytes]) -> Message:
    try:
        message = inflate_object_from_contents(root, dict(objects))
    except KeyError:
        raise ParcelDamaged("a message lacks objects that it names") from None
    if not isinstance(message, Message):
        raise ParcelDamaged("the root of a message is another object")
    return message


def _names(tree: ObjectTree) -> list[str]:
    return [*(name for child in tree.children for name in _names(child)), str(tree.object_id)]


def record_names(content: RecordDict) -> dict[str, str]:
    """The name of each record of a message, which follows from every byte of it: what a region signs its label over."""
    return {name: str(record.object_id) for name, record in content.items()}


def record_names_of(root: str, objects: Mapping[str, bytes]) -> dict[str, str]:
    """The same of a message that came, from its checked objects. Raises ParcelDamaged for one without content."""
    _, children, _ = get_object_head_values_from_object_content(objects[root])
    if len(children) != 1 or children[0] not in objects:
        raise ParcelDamaged("a message without content")
    return {
        str(name): str(each) for name, each in json.loads(get_object_body(objects[children[0]], RecordDict)).items()
    }
