"""A hostile application in a region's own process: for each trick, an answer that would carry a person's row out.

It stands in the place of fedsov's own ClientApp, which no job can do: code that an owner approved has less. Which trick
it plays, a message says in its configuration (``trick``); where it says none, fedsov's own application answers. Rows
are those of the region's session: whatever the region's process can read, this can.

    NEVER: what is to be refused, and how it is tried          PLANTED: the control that is to be found
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict

from fedsov.errors import JobRefused
from fedsov.protocol.flower_messages import config_of
from fedsov.region import worker
from fedsov.region.session import Session
from tests.containment.canaries import Canary, canaries_of

Trick = Callable[[Message, list[Canary]], Message]


def honest(message: Message, extra: RecordDict | None = None) -> Message:
    """The model that came as an update of it, and the records that a trick puts beside it or in its place."""
    arrays = ArrayRecord(dict(next(iter(message.content.array_records.values()), ArrayRecord())))
    metrics = MetricRecord({"num-examples": 50, "loss": 0.5, "score": 0.5})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics, **(extra or {})}), reply_to=message)


def _numbers(canaries: list[Canary]) -> np.ndarray:
    return np.array([canary.number for canary in canaries if canary.number is not None])


def _bytes(canaries: list[Canary]) -> np.ndarray:
    return np.frombuffer(" ".join(canary.text for canary in canaries).encode(), np.uint8)


def _another_record(message: Message, canaries: list[Canary]) -> Message:
    return honest(message, RecordDict({"rows": ArrayRecord({"rows": Array(_numbers(canaries))})}))


def _another_shape(message: Message, canaries: list[Canary]) -> Message:
    return _with_arrays(message, {"w": Array(_numbers(canaries))})


def _bytes_as_array(message: Message, canaries: list[Canary]) -> Message:
    return _with_arrays(message, {"w": Array(_bytes(canaries))})


def _names_of_arrays(message: Message, canaries: list[Canary]) -> Message:
    return _with_arrays(message, {canary.text: Array(np.zeros(4, np.float32)) for canary in canaries})


def _with_arrays(message: Message, arrays: dict[str, Array]) -> Message:
    reply = honest(message)
    reply.content["arrays"] = ArrayRecord(arrays)
    return reply


def _more_metrics(message: Message, canaries: list[Canary]) -> Message:
    more = {f"m{place}": float(number) for place, number in enumerate(_numbers(canaries))}
    return honest(
        message, RecordDict({"metrics": MetricRecord({"num-examples": 50, "loss": 0.5, "score": 0.5, **more})})
    )


def _list_as_metric(message: Message, canaries: list[Canary]) -> Message:
    values = [float(number) for number in _numbers(canaries)]
    return honest(message, RecordDict({"metrics": MetricRecord({"num-examples": 50, "loss": values, "score": 0.5})}))


def _names_of_metrics(message: Message, canaries: list[Canary]) -> Message:
    return honest(message, RecordDict({"metrics": MetricRecord({canary.text: 1 for canary in canaries})}))


def _text(message: Message, canaries: list[Canary]) -> Message:
    return honest(message, RecordDict({"note": ConfigRecord({canary.what: canary.text for canary in canaries})}))


def _text_in_place(message: Message, canaries: list[Canary]) -> Message:
    name = message.metadata.message_type.rpartition(".")[2]
    more = {"json": json.dumps({"rows": [canary.text for canary in canaries]})}
    return Message(RecordDict({"metrics" if name == "finish" else name: ConfigRecord(more)}), reply_to=message)


def _selected_word(message: Message, canaries: list[Canary]) -> Message:
    scores = dict.fromkeys(("score", "local_score", "gain", "gain_se", "validation_score"), 0.5)
    answer = {**scores, "test_rows": 5, "selected": canaries[0].text}
    return Message(RecordDict({"metrics": ConfigRecord({"json": json.dumps(answer)})}), reply_to=message)


def _exception(message: Message, canaries: list[Canary]) -> Message:
    raise ValueError("; ".join(canary.text for canary in canaries))


def _exception_s_name(message: Message, canaries: list[Canary]) -> Message:
    raise type(canaries[0].text, (Exception,), {})


def _exception_that_is_told(message: Message, canaries: list[Canary]) -> Message:
    raise JobRefused("; ".join(canary.text for canary in canaries))


def _error_reply(message: Message, canaries: list[Canary]) -> Message:
    return Message(Error(code=0, reason=canaries[0].text), reply_to=message)


def _log_lines(message: Message, canaries: list[Canary]) -> Message:
    for canary in canaries:
        print(canary.text, flush=True)
        print(canary.text, file=sys.stderr, flush=True)
        logging.getLogger("flwr").error(canary.text)
        logging.getLogger().critical(canary.text)
    return honest(message)


def _metadata(message: Message, canaries: list[Canary]) -> Message:
    reply = honest(message)
    reply.metadata.__dict__.update({"_group_id": canaries[0].text, "_message_type": f"train.{canaries[1].text}"})
    return reply


def _planted(message: Message, canaries: list[Canary]) -> Message:
    number = float(_numbers(canaries)[0])
    return honest(message, RecordDict({"metrics": MetricRecord({"num-examples": 50, "loss": number, "score": 0.5})}))


NEVER: dict[str, tuple[str, str, Trick]] = {
    "another record": ("train", "rows as arrays, in a record of their own", _another_record),
    "another shape": ("train", "rows as arrays, in the place of the update", _another_shape),
    "bytes": ("train", "rows as text, in an array of bytes", _bytes_as_array),
    "array names": ("train", "rows as names of arrays", _names_of_arrays),
    "metrics": ("train", "rows as more metrics", _more_metrics),
    "list": ("train", "rows as a metric's list", _list_as_metric),
    "metric names": ("train", "rows as names of metrics", _names_of_metrics),
    "config": ("train", "rows as config strings", _text),
    "profile": ("query.profile", "rows as config strings, in the place of counts", _text_in_place),
    "statistics": ("query.statistics", "rows as config strings, in the place of sums", _text_in_place),
    "finish": ("query.finish", "rows as config strings, in the place of scores", _text_in_place),
    "selected": ("query.finish", "a name as the word for a model", _selected_word),
    "exception": ("train", "rows in an exception's text", _exception),
    "exception's name": ("train", "a name as the name of an exception's type", _exception_s_name),
    "told exception": ("train", "rows in the text of an exception that is told in words", _exception_that_is_told),
    "error reply": ("train", "rows as the reason of Flower's error", _error_reply),
}
"""By name: the message that is answered, what is tried, and the trick. Each is to be refused."""

IN_VAIN: dict[str, tuple[str, str, Trick]] = {
    "log lines": ("train", "rows in log lines, on standard output and in exceptions of loggers", _log_lines),
    "metadata": ("train", "a name as a message's group and type", _metadata),
}
"""What is answered, and yet carries nothing: with why."""

WHY_IN_VAIN = {
    "log lines": "all that a region's process prints goes to worker.log in its own folder; nothing reads it from there",
    "metadata": "a reply is made anew from the records that passed, in answer to the question that came",
}
PLANTED, HONEST = "planted", "honest"
TRICKS = {
    **NEVER,
    **IN_VAIN,
    PLANTED: ("train", "the control: a rare float as a metric of its right form", _planted),
    HONEST: ("train", "the model that came, unchanged", lambda message, canaries: honest(message)),
}
_OWN = worker.client_app


def _app(session: Session, open_sealed_rows: Any) -> Callable[[Message, Context], Message]:
    own, canaries = _OWN(session, open_sealed_rows), canaries_of(session.records.region)

    def answer(message: Message, context: Context) -> Message:
        trick = str(config_of(message).get("trick", ""))
        return TRICKS[trick][2](message, canaries) if trick in TRICKS else own(message, context)

    return answer


worker.client_app = _app  # type: ignore[assignment]
