"""A Fleet client of a region that lies: its answers to rounds are not what its region's process gave.

    python -m tests.runtimes.deployment.a_liar NAME --workspace DIR --home DIR --hub HOST:PORT

Round 1 is answered as it should be. In round 2 the arrays are larger than any of the model, in round 3 the answer is
none of fedsov's, in round 4 the answer is cut in two, in round 5 it is another region's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.protocol.envelopes import opened
from fedsov.protocol.flower_messages import HUB_NODE, address, begin_flower_process, round_of
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.region import region_main
from fedsov.runtimes.deployment.region.region_service import RegionService


def _oversized(outer: Message, honest: bytes) -> bytes:
    (came,) = parcelled(honest)
    content = RecordDict({**came.message().content})
    content["arrays"] = ArrayRecord({"0.weight": Array(np.zeros(2_000_000, np.float32))})
    return _sent(Message(content, reply_to=outer))


def _of_nobody(outer: Message, honest: bytes) -> bytes:
    return _sent(Message(RecordDict({"hello": ConfigRecord({"json": "{"})}), reply_to=outer))


def _half(outer: Message, honest: bytes) -> bytes:
    return honest[: len(honest) // 2]


def _another_s(outer: Message, honest: bytes) -> bytes:
    (came,) = parcelled(honest)
    reply = Message(came.message().content, reply_to=outer)
    meta = reply.metadata
    address(reply, run=meta.run_id, source=meta.src_node_id + 1, target=meta.dst_node_id)
    return _sent(reply)


LIES: Mapping[int, Callable[[Message, bytes], bytes]] = {2: _oversized, 3: _of_nobody, 4: _half, 5: _another_s}


def _sent(reply: Message) -> bytes:
    with named_once():
        return parcel_of([reply])


class Liar(RegionService):
    """A service whose answers to rounds are lies."""

    def _worked(self, parcel: bytes) -> bytes:
        honest = super()._worked(parcel)
        (came,) = parcelled(parcel)
        outer = came.message()
        opened(outer, 1 << 26)
        lie = LIES.get(round_of(outer) or 0) if outer.metadata.message_type == "train" else None
        return honest if lie is None else lie(outer, honest)


if __name__ == "__main__":
    begin_flower_process(HUB_NODE + 1)
    region_main.RegionService = Liar  # type: ignore[misc]
    region_main.main()
