"""Flower's records and messages, in and out: settings, parameters, ids, rounds, errors, and bytes.

Nothing is ever pickled: a message travels in Flower's own serial form (its objects deflated one by one), so what
arrives shares nothing with what was sent and can hold no code.

This is the one home of Flower's non-public modules. Two of Flower's states belong to a whole process: whose messages it
makes (`TaskIdentity`), and its logger. A process of ours sets both in its own main (`begin_flower_process`). Where the
process is the caller's, the first is put back at the end of a block, and the second left alone (`flower_process`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import struct
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import FedsovError
from fedsov.model.network import Parameters

if TYPE_CHECKING:
    from flwr.proto.node_pb2 import NodeInfo


RUN_ID, TASK_ID, HUB_NODE = 1, 1, 1
"""A process of ours takes part in one run of Flower's; the hub is its node 1, regions have the numbers after it."""


@dataclass(slots=True)
class _Processes:
    """Blocks of `flower_process` that are open in this process, and what was before the first of them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: int = 0
    identity: tuple[Any, Any, Any] = (None, None, None)


_processes = _Processes()


def begin_flower_process(node_id: int) -> None:
    """Makes this process a node of Flower's, which logs errors alone; for the main of a process of ours.

    What a round did is told by its own progress line.
    """
    _become(node_id)
    logging.getLogger("flwr").setLevel(logging.ERROR)


def _become(node_id: int) -> None:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = RUN_ID, node_id, TASK_ID


@contextmanager
def flower_process(node_id: int = HUB_NODE) -> Iterator[None]:
    """Makes the caller's process a node of Flower's for the length of the block, whose thread logs errors alone.

    Blocks may be open in several threads at once: what the process was before is put back when the last one ends. The
    logger's level is its owner's, so a filter stands before it instead: what other threads log is heard.
    """
    logger, thread = logging.getLogger("flwr"), threading.get_ident()

    def is_heard(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or record.thread != thread

    with _processes.lock:
        if not _processes.blocks:
            _processes.identity = (TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id)
        _processes.blocks += 1
        _become(node_id)
    logger.addFilter(is_heard)
    try:
        yield
    finally:
        logger.removeFilter(is_heard)
        with _processes.lock:
            _processes.blocks -= 1
            if not _processes.blocks:
                for name, value in zip(("_run_id", "_node_id", "_task_id"), _processes.identity, strict=True):
                    setattr(TaskIdentity, name, value)


def new_run() -> Run:
    """Flower's description of the one run that a grid belongs to."""
    return Run.create_empty(run_id=RUN_ID)


def node_records(nodes: Iterable[int]) -> list[NodeInfo]:
    """Nodes as Flower's records."""
    from flwr.proto.node_pb2 import NodeInfo

    return [NodeInfo(node_id=node) for node in nodes]


def config_of(message: Message) -> Mapping[str, Any]:
    """What a message says beside parameters; empty where it says nothing."""
    return dict(message.content.config_records.get("config", ConfigRecord()))


VERSION_KEY = "protocol-version"
"""In every message of a hub: the version of the message table that it speaks (`fedsov.protocol.message_types`)."""


def with_version(message: Message, version: int) -> None:
    """Writes the version into a message that is about to be sent, in place."""
    record = message.content.config_records.get("config")
    if record is None:
        message.content["config"] = ConfigRecord({VERSION_KEY: version})
    else:
        record[VERSION_KEY] = version


def parameters_of(message: Message) -> Parameters:
    """The parameters a message carries, as copies that may be written to. Raises StopIteration where it has none."""
    record = next(iter(message.content.array_records.values()))
    return {name: np.array(array.numpy()) for name, array in record.items()}


def drift_of(message: Message) -> Parameters:
    """What a region is to add to its gradients (`fedsov.algorithms.aggregation`); empty where nothing came."""
    record = message.content.array_records.get("drift", ArrayRecord())
    return {name.removeprefix("drift/"): np.array(array.numpy()) for name, array in record.items()}


def record_of(parameters: Parameters) -> ArrayRecord:
    """Parameters as Flower's record, in the same order."""
    return ArrayRecord({name: Array(np.asarray(value)) for name, value in parameters.items()})


def question_digest(message: Message) -> str:
    """SHA-256 of a message's parameters and settings, in hexadecimal: equal for the same question asked again."""
    records = message.content.array_records.values()
    arrays = {name: hashlib.sha256(one.data).hexdigest() for record in records for name, one in record.items()}
    text = json.dumps([arrays, config_of(message)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def with_proximal(steps: LocalSteps, config: Mapping[str, Any]) -> LocalSteps:
    """The steps under the proximal term that FedProx sends with a round, where it does."""
    return replace(steps, proximal_mu=float(config["proximal-mu"])) if "proximal-mu" in config else steps


REFUSED, LOST, FAILED, OTHER_VERSION = 100, 101, 102, 103
"""Codes of error replies: a gate refused; nobody answered; the region failed; it speaks another version."""


def error_reply(message: Message, code: int, reason: str) -> Message:
    """An answer that says why there is none."""
    reply = Message(Error(code=code, reason=reason), reply_to=message)
    identify(reply, new_id())
    return reply


def pack(message: Message) -> bytes:
    """A Flower message as bytes: its nested objects, each deflated, behind a table of their ids and lengths."""
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, no_object_id_recompute

    with no_object_id_recompute():  # an id is a hash over the whole subtree: worked out once, not at every level anew
        objects = {key: item.deflate() for key, item in get_all_nested_objects(message).items()}
        root = message.object_id
    table = json.dumps(
        {
            "root": root,
            "message": message.metadata.message_id or new_id(),
            "objects": {key: len(content) for key, content in objects.items()},
        }
    ).encode()
    return b"".join((struct.pack("!I", len(table)), table, *objects.values()))


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """The most bytes that a packed message may come to.

    Attributes:
        texts: all but its arrays: the table, metadata, settings, texts and metrics.
        arrays: its arrays, their chunks laid out one behind the other.
    """

    texts: int
    arrays: int = 0

    @property
    def together(self) -> int:
        """Texts and arrays."""
        return self.texts + self.arrays


class MessageTooLarge(FedsovError):
    """A packed message that comes to more than is read of it."""


NO_LIMIT = SizeLimit(2**31, 2**34)
"""For a message of one's own, or of a party that one cannot do without."""


def unpack(content: bytes, limit: SizeLimit = NO_LIMIT) -> Message:
    """The inverse of `pack`: a message that shares no object with the sender's.

    A sender is not believed: a chunk that is named a thousand times is counted a thousand times before it is laid out.

    Raises MessageTooLarge for one beyond the limit, and whatever a reading of bytes can raise that are no message.
    """
    from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

    (size,) = struct.unpack_from("!I", content)
    table = json.loads(content[4 : 4 + size])
    lengths, objects, at = list(table["objects"].values()), {}, 4 + size
    if any(type(length) is not int or length < 0 for length in lengths) or at + sum(lengths) != len(content):
        raise ValueError("the table of a message is not that of its bytes")
    for key, length in table["objects"].items():
        objects[key] = content[at : at + length]
        at += length
    check_size(objects, size, limit)
    message = inflate_object_from_contents(table["root"], objects)
    if not isinstance(message, Message) or not isinstance(table["message"], str):
        raise ValueError("the root of a message is another object")
    identify(message, table["message"])
    return message


def check_size(objects: Mapping[str, bytes], table: int, limit: SizeLimit) -> None:
    """Raises MessageTooLarge where the deflated objects of a message come to more than the limit."""
    from flwr.supercore.inflatable.inflatable_object import get_object_body, get_object_head_values_from_object_content

    texts, arrays = table, 0
    for content in objects.values():
        kind, children, _ = get_object_head_values_from_object_content(content)
        if kind != "ArrayChunk":
            texts += len(content)
        if kind == "Array":
            sizes = [len(objects[child]) for child in children]
            arrays += sum(sizes[place] for place in json.loads(get_object_body(content, Array))["arraychunk_ids"])
    if texts > limit.texts or arrays > limit.arrays:
        raise MessageTooLarge(
            f"a message of {texts:,} bytes and arrays of {arrays:,}; at most {limit.texts:,} and {limit.arrays:,} "
            "are read here"
        )


def identify(message: Message, identifier: str) -> None:
    """Gives a message its id; Flower leaves this to the transport and offers no public way."""
    message.metadata.__dict__["_message_id"] = identifier


def address(message: Message, *, run: int, source: int, target: int) -> None:
    """Says whose message it is and whose it becomes, where Flower would take the process's own run and node."""
    message.metadata.__dict__.update({"_run_id": run, "_src_node_id": source, "_dst_node_id": target})


def new_id() -> str:
    return uuid.uuid4().hex


def round_of(message: Message) -> int | None:
    """The round a message belongs to, where its configuration names one."""
    config = message.content.config_records.get("config") if message.has_content() else None
    return int(str(config["server-round"])) if config and "server-round" in config else None


DECISION_ROUND = "standing-by-round"
"""In a message that belongs to no round: the round by whose day it is decided (`fedsov.protocol.calendar`)."""


def day_round_of(message: Message) -> int:
    """The round by whose day a message is decided: its own, or the one it stands by; 1 where it names none."""
    config = dict(message.content.config_records.get("config") or {}) if message.has_content() else {}
    named = str(config.get("server-round", config.get(DECISION_ROUND, 1)))
    return int(named) if named.isdecimal() and len(named) < 10 else 1


def reason_of(reply: Message) -> str:
    """Why an answer is an error: the name of an exception's type."""
    return str(reply.error.reason or "no reason given")
