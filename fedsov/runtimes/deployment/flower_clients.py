"""What callers of the coordinator lean on of Flower's non-public parts: messages as parcels of their objects.

Flower sends a message as a head, a tree of object names, and one request for each object. Here a parcel holds them all
(`fedsov.runtimes.deployment.parcels`), so that a message costs one request, and a model that goes to several regions
travels once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from flwr.app import Message, RecordDict
from flwr.app.message.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
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

from fedsov.protocol.flower_messages import SizeLimit, check_size, identify
from fedsov.runtimes.deployment.parcels import ParcelDamaged, pack_parcel, unpack_parcel

__all__ = ["messages_of", "named_once", "parcel_of", "record_names", "record_names_of"]
LimitOf = Callable[[str], SizeLimit | None]
"""The most bytes of an answer to the message of an id; None for one that nobody waits for."""


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


def messages_of(parcel: bytes, limit_of: LimitOf | None = None) -> list[tuple[Message, dict[str, bytes]]]:
    """The messages of a parcel, each with its objects by their names.

    Args:
        limit_of: the most bytes of each answer, by the id of the message that it answers; one beyond it is given as
            an error in its place, before anything of it is laid out.

    Raises ParcelDamaged, and whatever a reading of bytes can raise that are no message.
    """
    content, objects = unpack_parcel(parcel)
    head = PushAppMessagesRequest.FromString(content)
    found = []
    for bare, tree in zip(head.messages_list, head.message_object_trees, strict=True):
        own = {name: objects[name] for name in _names(tree) if name in objects}
        message = message_from_proto(bare)
        limit = limit_of(message.metadata.reply_to_message_id) if limit_of is not None else None
        if limit is not None:
            check_size(own, len(content), limit)
        if own:
            message = _inflated(tree.object_id, own)
        identify(message, tree.object_id)
        found.append((message, own))
    return found


def _inflated(root: str, objects: dict[str, bytes]) -> Message:
    try:
        message = inflate_object_from_contents(root, objects, keep_object_contents=True)
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
    return {str(name): str(each) for name, each in json.loads(get_object_body(objects[children[0]], RecordDict)).items()}
