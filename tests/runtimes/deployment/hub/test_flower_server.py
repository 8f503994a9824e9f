"""Messages in Flower's state are whole or not there, also where the coordinator was killed over a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.common.serde import message_from_proto
from flwr.proto.runtime_pb2 import PushAppMessagesRequest

from fedsov.protocol.envelopes import Address, enveloped
from fedsov.protocol.flower_messages import flower_process, identify, new_id
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.hub.flower_server import IN_MEMORY, SuperLink, open_superlink
from fedsov.runtimes.deployment.parcels import ParcelDamaged, pack_parcel, unpack_parcel

KEY = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(autouse=True)
def flower() -> Iterator[None]:
    with flower_process():
        yield


def _opened(database: str) -> tuple[SuperLink, list[tuple[str, int]]]:
    rung: list[tuple[str, int]] = []
    return open_superlink(rung.append, database=database), rung


def _question(link: SuperLink) -> tuple[int, bytes]:
    """A node that is connected, and a parcel of a message to it."""
    node = link.register("DE", KEY.decode())
    link.beat(node)
    ticket = link.begin_run("fedsov")
    content = RecordDict({"arrays": ArrayRecord({"w": Array(np.arange(4.0))})})
    message = Message(content, dst_node_id=2, message_type="train")
    identify(message, new_id())
    with named_once():
        return node, parcel_of([enveloped(message, {}, Address(ticket.run, node))])


def _half(link: SuperLink, parcel: bytes) -> None:
    """Stores a message as it stands when the coordinator is killed before the message's first object comes."""
    head = PushAppMessagesRequest.FromString(unpack_parcel(parcel)[0])
    message = message_from_proto(head.messages_list[0])
    session = link.state.start_session(message.metadata.run_id)
    assert link.state.store_message_and_object_tree(message, head.message_object_trees[0], session)[0]


def _is_whole(parcel: bytes) -> bool:
    (came,) = parcelled(parcel)
    return bool(np.array_equal(came.message().content.array_records["arrays"]["w"].numpy(), np.arange(4.0)))


@pytest.mark.parametrize("kind", ["memory", "database"])
def test_a_message_rings_when_it_is_whole_and_is_handed_out_whole(tmp_path: Path, kind: str) -> None:
    link, rung = _opened(IN_MEMORY if kind == "memory" else str(tmp_path / "flower.db"))
    node, parcel = _question(link)
    assert not rung and link.take_for_node(node) is None
    (identifier,) = link.store(parcel, check=lambda message: "")
    assert rung == [("node", node)]
    handed = link.take_for_node(node)
    assert handed is not None and handed.message == identifier and _is_whole(handed.parcel)
    assert link.take_for_node(node) is None


def test_a_message_of_which_a_killed_coordinator_had_a_half_comes_whole_with_the_next_attempt(tmp_path: Path) -> None:
    database = str(tmp_path / "flower.db")
    killed, _ = _opened(database)
    node, parcel = _question(killed)
    _half(killed, parcel)
    link, _ = _opened(database)
    link.beat(node)
    assert link.take_for_node(node) is None
    link.store(parcel, check=lambda message: "")
    handed = link.take_for_node(node)
    assert handed is not None and _is_whole(handed.parcel)


def test_a_message_that_a_killed_coordinator_had_handed_out_is_handed_out_again(tmp_path: Path) -> None:
    database = str(tmp_path / "flower.db")
    killed, _ = _opened(database)
    node, parcel = _question(killed)
    killed.store(parcel, check=lambda message: "")
    assert killed.take_for_node(node) is not None and killed.take_for_node(node) is None
    link, _ = _opened(database)
    again = link.take_for_node(node)
    assert again is not None and _is_whole(again.parcel)


def _reply(link: SuperLink) -> tuple[int, str, bytes]:
    """A run, a question of it that a node was handed, and a parcel of the answer to it."""
    node, parcel = _question(link)
    (identifier,) = link.store(parcel, check=lambda message: "")
    handed = link.take_for_node(node)
    assert handed is not None
    (came,) = parcelled(handed.parcel)
    reply = Message(RecordDict({"arrays": ArrayRecord({"w": Array(np.arange(5.0))})}), reply_to=came.message())
    with named_once():
        return handed.run, identifier, parcel_of([reply])


def _is_chunk(content: bytes) -> bool:
    return content.startswith(b"ArrayChunk")


def _without_a_chunk(head: PushAppMessagesRequest, objects: dict[str, bytes]) -> None:
    del objects[next(name for name, content in objects.items() if _is_chunk(content))]


def _of_another_tree(head: PushAppMessagesRequest, objects: dict[str, bytes]) -> None:
    root = head.message_object_trees[0]
    root.children.add(object_id=root.children[0].object_id)


def _under_another_id(head: PushAppMessagesRequest, objects: dict[str, bytes]) -> None:
    head.messages_list[0].metadata.message_id = "0" * 64


def _of_no_tree(head: PushAppMessagesRequest, objects: dict[str, bytes]) -> None:
    del head.message_object_trees[:]


@pytest.mark.parametrize("damage", [_without_a_chunk, _of_another_tree, _under_another_id, _of_no_tree])
def test_an_answer_that_is_not_whole_is_refused_and_nothing_of_it_is_kept(damage: Any) -> None:
    link, rung = _opened(IN_MEMORY)
    run, question, parcel = _reply(link)
    content, objects = unpack_parcel(parcel)
    head = PushAppMessagesRequest.FromString(content)
    damage(head, objects)
    with pytest.raises(ParcelDamaged):
        link.store(pack_parcel(head.SerializeToString(), objects), check=lambda message: "")
    assert link.take_replies(run, [question]) is None
    assert link.store(parcel, check=lambda message: "") != [""] and rung[-1] == ("run", run)
    assert link.take_replies(run, [question]) is not None


def test_an_answer_without_objects_by_flowers_own_interface_costs_its_sender_alone() -> None:
    link, _ = _opened(IN_MEMORY)
    run, question, parcel = _reply(link)
    _half(link, parcel)
    taken = link.take_replies(run, [question])
    assert taken is not None
    (came,) = parcelled(taken)
    assert came.metadata.reply_to_message_id == question and not came.objects
