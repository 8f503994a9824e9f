"""A region's own process: it is told its start, opens the region, and answers frames until the socket closes."""

from __future__ import annotations

from pathlib import Path

from flwr.app import Message

from fedsov.keys import KeySettings, RegionKeys, open_keys_as
from fedsov.keys.principals import TRAINER
from fedsov.label import Label
from fedsov.protocol.flower_messages import HUB_NODE, begin_flower_process, pack, unpack
from fedsov.protocol.job import RegionStart
from fedsov.protocol.signed_labels import LabelledAnswer, signed_label
from fedsov.region.worker import answer, open_region
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.region_log import RegionLog
from fedsov.serialization import from_plain


def run(connection: FramedSocket) -> None:
    """The life of a region's process."""
    try:
        told = connection.receive().header
    except ConnectionClosed:
        return
    log = RegionLog(Path(told["folder"]))  # before anything can fail
    start = from_plain(RegionStart, told)
    begin_flower_process(HUB_NODE + 1)  # replies bear the node that was asked, whatever it is
    region = open_region(start)
    keys = open_keys_as(KeySettings(start.region.name, start.folder), TRAINER)  # once: a key service may be far
    try:
        while True:
            frame = connection.receive()
            question, label = unpack(frame.body), Label.from_json(frame.header["label"])
            with log.of_message():
                reply = _frame(start, keys, question, *answer(region, question, label))
            connection.send(reply)
    except ConnectionClosed:
        region.close()


def _frame(start: RegionStart, keys: RegionKeys, question: Message, reply: Message, label: Label) -> Frame:
    """The reply with its label, which is signed where parameters leave."""
    body, header = pack(reply), {"label": label.to_json()}
    if reply.has_error() or not reply.content.array_records:
        return Frame(header, body)
    labelled = LabelledAnswer(start.run, start.region.name, question.metadata.message_id, body, label)
    return Frame({**header, "signature": signed_label(keys.sign, labelled)}, body)
