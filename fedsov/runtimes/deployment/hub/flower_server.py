"""What the coordinator leans on of Flower's non-public parts: the SuperLink's application and its state.

`open_superlink` makes Flower's own application (`create_app`), whose stock interfaces stay as they are, and gives the
`SuperLink` around the same state: nodes, runs, and messages with their objects, a parcel at a time. Two methods of the
state's instance are wrapped, so that whatever stores a message rings the bell of who waits for it.

>>> from fedsov.runtimes.deployment.hub.flower_server import NODE_SECONDS
>>> NODE_SECONDS   # a node is offline after twice as long without a sign of life
10.0
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from flwr.app import Message
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import PushAppMessagesRequest
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID
from flwr.supercore.inflatable.inflatable_object import get_object_head_values_from_object_content, iterate_object_tree
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig, load_control_authn_plugin
from flwr.superlink.main import create_app
from google.protobuf.message import DecodeError
from sqlalchemy import text

from fedsov.errors import FedsovError
from fedsov.infrastructure.workload.render import QUIET
from fedsov.runtimes.deployment.parcels import ParcelDamaged, pack_parcel, unpack_parcel

NODE_SECONDS = 10.0
IN_MEMORY, FINISHED = FLWR_IN_MEMORY_DB_NAME, "finished"
Ring = Callable[[tuple[str, int]], None]
"""Told that something came for ``("node", id)`` or ``("run", id)``."""


class RunUnknown(FedsovError):
    """A run that this SuperLink does not know, or that has ended."""


@dataclass(frozen=True, slots=True)
class StockListener:
    """Where Flower's own tools reach the SuperLink: a port of this machine, and the files of its TLS."""

    port: int
    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class RunTicket:
    """A run of Flower's that was begun, and the task by which its ServerApp is known."""

    run: int
    task: int
    token: str


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that is handed to a region: its id, its run, and the parcel."""

    message: str
    run: int
    parcel: bytes = field(repr=False)


@dataclass(slots=True)
class SuperLink:
    """Flower's state, as the coordinator uses it. Every method may be called by several threads."""

    state: Any
    app: Any
    ring: Ring
    _whole: threading.RLock = field(default_factory=threading.RLock)
    """Held while a message is stored with its objects, and while one is taken: Flower shows it sooner."""

    def register(self, name: str, public_key: str) -> int:
        """The node of a key (PEM), registered where it is not yet."""
        key = load_pem_public_key(public_key.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        node = self.state.get_node_id_by_public_key(key)
        if node is None:
            node = self.state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, NODE_SECONDS, name=name)
        return int(node)

    def unregister(self, node: int) -> None:
        """Forgets a node: its key is believed no more."""
        self.state.delete_node(NOOP_FLWR_AID, node)

    def beat(self, node: int) -> None:
        """A node gave a sign of life."""
        self.state.acknowledge_node_heartbeat(node, NODE_SECONDS)

    def sign_off(self, node: int) -> None:
        """A node says that it goes."""
        self.state.deactivate_node(node)

    def online(self) -> set[int]:
        """The nodes that gave a sign of life lately."""
        return {int(node.node_id) for node in self.state.get_node_info(statuses=["online"])}

    def begin_run(self, application: str) -> RunTicket:
        """A new run of an application (its digest), whose task is claimed at once."""
        run = self.state.create_run(
            "fedsov/fedsov", "1", application, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, "flwr-serverapp"
        )
        task = self.state.get_run_info(run_ids=[run])[0].primary_task_id
        token = self.state.claim_task(task)
        if not run or token is None or not self.state.activate_task(task):
            raise FedsovError("Flower's SuperLink began no run")
        return RunTicket(int(run), int(task), str(token))

    def task_of(self, token: str) -> RunTicket:
        """The run of a token, whose ServerApp gave a sign of life by it. Raises RunUnknown."""
        task = self.state.get_task_by_token(token) if token else None
        if task is None:
            raise RunUnknown("the coordinator knows no such run: it was begun anew, or the run has ended")
        self.state.acknowledge_task_heartbeat(task.task_id)
        return RunTicket(int(task.run_id), int(task.task_id), token)

    def end_run(self, ticket: RunTicket, status: str) -> None:
        """Ends a run: ``completed``, ``stopped`` or ``failed``. What waits for its regions goes to none of them."""
        self.state.finish_task(ticket.task, status, "")
        self.forget(ticket.run)

    def forget(self, run: int) -> None:
        """Nothing of a run's messages is needed any more, answers that nobody took among them."""
        with self._whole:
            self.state.delete_sessions_in_run(run)
            self.state.delete_messages(self.state.get_message_ids_from_run_id(run))
            self.state.object_store.delete_objects_in_run(run)

    def store(self, parcel: bytes, *, check: Callable[[Message], str]) -> list[str]:
        """Stores the messages of a parcel with their objects; their ids, "" for one that Flower does not take.

        Args:
            check: why a message is not taken from this sender, or "".

        Raises ParcelDamaged; FedsovError for a message of another sender.
        """
        content, objects = unpack_parcel(parcel)
        try:
            head = PushAppMessagesRequest.FromString(content)
            messages = [message_from_proto(each) for each in head.messages_list]
            pairs = list(zip(messages, head.message_object_trees, strict=True))
        except (DecodeError, ValueError):
            raise ParcelDamaged("the head of a parcel cannot be read") from None
        for message, tree in pairs:
            if why := check(message):
                raise FedsovError(why)
            _check_whole(message, tree, objects)
        return [self._stored(message, tree, objects) for message, tree in pairs]

    def _stored(self, message: Message, tree: Any, objects: dict[str, bytes]) -> str:
        run = message.metadata.run_id
        with self._whole:
            session = self.state.start_session(run)
            is_taken, missing = self.state.store_message_and_object_tree(message, tree, session)
            for name in missing if is_taken else ():
                self.state.store_object(run, session, name, objects[name])
        return str(message.metadata.message_id) if is_taken else ""

    def take_for_node(self, node: int) -> Handed | None:
        """The oldest message for a node whose run goes on; None where there is none."""
        with self._whole:
            while messages := self.state.get_message_ins(node_id=node, limit=1):
                meta = messages[0].metadata
                if self.goes_on(meta.run_id):
                    return Handed(str(meta.message_id), int(meta.run_id), self._parcel(messages))
                self.state.delete_messages(message_ins_ids={meta.message_id})
        return None

    def goes_on(self, run: int) -> bool:
        """Whether a run has not ended."""
        known = self.state.get_run_info(run_ids=[run])
        return bool(known) and known[0].status.status != FINISHED

    def delivered(self, message_id: str) -> None:
        """A node has a message: its objects are needed no more."""
        self.state.object_store.delete(message_id)

    def take_replies(self, run: int, message_ids: Iterable[str]) -> bytes | None:
        """The answers that have come to these messages, as a parcel; None where there is none.

        Flower gives an error in place of an answer of a node that went offline.
        """
        known = {name for name in message_ids if name}
        with self._whole:
            replies = self.state.get_message_res(message_ids=known, run_id=run) if known else []
            if not replies:
                return None
            parcel = self._parcel(replies)
            self.state.delete_messages(message_ins_ids={each.metadata.reply_to_message_id for each in replies})
            for each in replies:
                self.state.object_store.delete(each.metadata.message_id)
            return parcel

    def _parcel(self, messages: Sequence[Message]) -> bytes:
        head, objects = PushAppMessagesRequest(), dict[str, bytes]()
        for message in messages:
            meta = message.metadata
            own = self._objects_of(meta.run_id, meta.message_id)
            head.messages_list.append(message_to_proto(message))
            tree = head.message_object_trees.add(object_id=meta.message_id)
            for name in own:
                tree.children.add(object_id=name)
            objects |= own
        return pack_parcel(head.SerializeToString(), objects)

    def _objects_of(self, run: int, root: str) -> dict[str, bytes]:
        """A message's objects by their names, each read once, however often it is named.

        One that did not come is left out: whoever sent the message by Flower's own interface is the one whom it costs.
        """
        objects, waiting = dict[str, bytes](), [root]
        while waiting:
            name = waiting.pop()
            if name not in objects and (content := self.state.get_object(run, name)):
                objects[name] = bytes(content)
                waiting += _children(objects[name])
        return objects


def _children(content: bytes) -> list[str]:
    """The names of the objects that an object is made of. Raises ParcelDamaged for what is no object."""
    try:
        _, children, _ = get_object_head_values_from_object_content(content)
    except ValueError:
        raise ParcelDamaged("an object of a message has no head") from None
    return children


def _check_whole(message: Message, tree: ObjectTree, objects: Mapping[str, bytes]) -> None:
    """Raises ParcelDamaged for a message of another id than its tree's, or whose tree is not that of its objects."""
    if tree.object_id != message.metadata.message_id:
        raise ParcelDamaged("a message has another id than its objects")
    for each in iterate_object_tree(tree):
        if each.object_id not in objects:
            raise ParcelDamaged("a message lacks an object that it names")
        if [child.object_id for child in each.children] != _children(objects[each.object_id]):
            raise ParcelDamaged("an object of a message is made of others than the message says")


def open_superlink(ring: Ring, *, database: str = IN_MEMORY, stock: StockListener | None = None) -> SuperLink:
    """Flower's application and state.

    Args:
        ring: told when a message came for somebody, from whatever thread.
        database: a SQLite file, or `IN_MEMORY`.
        stock: where Flower's own tools reach it; then it starts ServerApps of `flwr run` itself, as Flower does.
    """
    _silent()
    app = create_app(_config(database, stock), SuperLinkLifespan)
    state = app.state.linkstate_factory.state()
    if database != IN_MEMORY:
        _recover(state)
    link = SuperLink(state, app, ring)
    _ring_when_stored(state, ring)
    return link


def _config(database: str, stock: StockListener | None) -> SuperLinkLifespanConfig:
    files = (stock.authority, stock.certificate, stock.key) if stock else None
    authority, certificate, key = (str(path) for path in files) if files else (None, None, None)
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host="127.0.0.1",
        port=stock.port if stock else 0,
        insecure=False,
        certificates=tuple(path.read_bytes() for path in files) if files else None,  # type: ignore[arg-type]
        superexec_auth_secret=None if stock else secrets.token_bytes(32),
        authn_plugin=load_control_authn_plugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type="grpc-rere",
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=authority,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        database=database,
        isolation="subprocess" if stock else "process",
        runtime_dependency_install=False,
    )


def _recover(state: Any) -> None:
    """Puts right what a coordinator that was killed left half done in its database.

    A message whose objects had not all come goes, so that its sender's next attempt brings it whole; one that was
    handed out, and perhaps never arrived, is handed out again: whoever had it answers the same again.
    """
    with state.session() as session:
        unfinished = session.execute(text("SELECT session_id FROM object_push_sessions")).scalars().all()
    for each in unfinished:
        state._cleanup_push_session(each, cleanup_messages=True)
    with state.session() as session:
        for table in ("message_ins", "message_res"):
            session.execute(text(f"UPDATE {table} SET delivered_at = ''"))


def _silent() -> None:
    """Flower sends nobody anything of its own, and installs nothing."""
    os.environ.update(QUIET)
    logging.getLogger("flwr").setLevel(logging.ERROR)


def _ring_when_stored(state: Any, ring: Ring) -> None:
    """Wraps the two ways by which a message comes into the state: it is complete when its last object is there."""
    store_message, store_object = state.store_message_and_object_tree, state.store_object
    waiting: dict[str, tuple[tuple[str, int], set[str]]] = {}

    def stored_message(message: Message, tree: Any, session_id: str) -> Any:
        stored, missing = store_message(message, tree, session_id)
        meta = message.metadata
        whom = ("run", meta.run_id) if meta.reply_to_message_id else ("node", meta.dst_node_id)
        if stored and missing:
            waiting[meta.message_id] = (whom, set(missing))
        elif stored:
            ring(whom)
        return stored, missing

    def stored_object(run_id: int, session_id: str, object_id: str, content: bytes) -> Any:
        stored = store_object(run_id, session_id, object_id, content)
        for message_id, (whom, missing) in list(waiting.items()) if stored else ():
            missing.discard(object_id)
            if not missing and waiting.pop(message_id, None) is not None:
                ring(whom)
        return stored

    state.store_message_and_object_tree, state.store_object = stored_message, stored_object
