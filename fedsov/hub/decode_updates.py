"""The hub makes whole models of what regions send up of them, before anything else looks at an update.

`expanded` stands around the way a round's updates are had (`fedsov.hub.server_app.UpdateCollector`): each update that
comes, compressed or of trained parameters alone, is put on the model that went down to its node. So every strategy,
every check and every error goes on as if whole models had come.

    app = server_app(federation, start, outcome, gather=expanded(each_by_itself, Compression("int8")))
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from flwr.app import ArrayRecord, Message, RecordDict

from fedsov.algorithms.compression import Compression, received
from fedsov.algorithms.update_checks import UNREADABLE, arrays_of
from fedsov.errors import TrainingFailed
from fedsov.hub.server_app import UpdateCollector
from fedsov.model.parameters import trained
from fedsov.protocol.flower_messages import LOST, error_reply, identify, new_id, record_of

if TYPE_CHECKING:
    from flwr.serverapp import Grid


def expanded(gather: UpdateCollector, compression: Compression, *, frozen: Collection[str] = ()) -> UpdateCollector:
    """The same updates as whole models; an error in the place of one that has not the form agreed on.

    Args:
        frozen: names of parameters that are not sent up.

    What it gives raises ConfigurationError for a frozen name that the model has not.
    """
    if compression.name == "none" and not frozen:
        return gather

    def whole(grid: Grid, messages: list[Message], timeout: float) -> Iterable[Message]:
        """A round's messages answered, each update a whole model."""
        questions = {message.metadata.dst_node_id: message for message in messages}
        for message in messages[:1]:  # a name that the model has not is told before anything is sent
            trained(list(arrays_of(message)), frozen)
        for reply in gather(grid, messages, timeout):
            if not reply.has_content():
                yield reply
                continue
            node = reply.metadata.src_node_id
            try:
                updated = received(arrays_of(questions[node]), arrays_of(reply), compression, frozen)
            except (TrainingFailed, *UNREADABLE) as problem:
                yield error_reply(questions[node], LOST, str(problem))
                continue
            yield _answer(questions[node], reply, record_of(dict(updated)))

    return whole


def _answer(question: Message, reply: Message, updated: ArrayRecord) -> Message:
    """The reply with other arrays in their place."""
    content = {name: updated if isinstance(record, ArrayRecord) else record for name, record in reply.content.items()}
    whole = Message(RecordDict(content), reply_to=question)
    identify(whole, new_id())
    return whole
