"""The hub's side of compressed updates: whole models for every strategy, a named failure for what is malformed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Error, Message, MetricRecord, RecordDict

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression, chance, sent
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.algorithms.update_checks import accepted_updates
from fedsov.errors import TrainingFailed
from fedsov.hub.decode_updates import expanded
from fedsov.hub.gated_grid import GatedGrid
from fedsov.hub.inbox import Inbox
from fedsov.hub.server_app import RoundSettings, TrainingOutput, each_by_itself, server_app
from fedsov.label import PUBLIC
from fedsov.model.network import NetworkSpec
from fedsov.protocol.flower_messages import identify, new_id, parameters_of, record_of
from tests.each_algorithm import EACH_ALGORITHM
from tests.hub.test_server_app import Open, Scripted

START = {"w": np.zeros((20, 5), np.float32), "b": np.ones(20, np.float32)}
NODES = (2, 3, 4, 5)
INT8 = Compression("int8")
Answer = Callable[[Message, int], dict[str, np.ndarray]]


class Answering(Scripted):
    """Links whose nodes answer as a function of the message and the node."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(dict.fromkeys(NODES))
        self._answer = answer

    def send(self, message: Message, label: object) -> None:
        node = message.metadata.dst_node_id
        arrays = self._answer(message, node)
        content = {"arrays": record_of(arrays), "metrics": MetricRecord({"num-examples": node})}
        said = RecordDict(content) if arrays else None
        error = Error(code=1, reason="StoreDamaged")
        reply = Message(error, reply_to=message) if said is None else Message(said, reply_to=message)
        identify(reply, new_id())
        self.arrived.append((reply, PUBLIC))


def _trained(message: Message, node: int) -> dict[str, np.ndarray]:
    """The incoming model, moved by what this node would learn."""
    step = np.random.default_rng(node)
    return {name: array + step.normal(size=array.shape).astype(np.float32) for name, array in START.items()}


def _run(
    answer: Answer, how: Compression, *, algorithm: str = "fedavg", frozen: tuple[str, ...] = ()
) -> TrainingOutput:
    outcome, grid = TrainingOutput(), GatedGrid(Inbox(Answering(answer)), NODES, Open())
    gather = expanded(each_by_itself, how, frozen=frozen)
    app = server_app(
        RoundSettings(TrainingSpec(NetworkSpec(), LocalSteps(), Algorithm(algorithm), 2)), START, outcome, gather=gather
    )
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    return outcome


def _sending(how: Compression, frozen: tuple[str, ...] = ()) -> Answer:
    def answer(message: Message, node: int) -> dict[str, np.ndarray]:
        rng = chance(0, client=node, round_number=1)
        return sent(parameters_of(message), _trained(message, node), how, rng=rng, frozen=frozen).arrays

    return answer


@pytest.mark.parametrize("algorithm", EACH_ALGORITHM)
def test_every_algorithm_gives_of_compressed_updates_nearly_what_it_gives_of_whole_ones(algorithm: str) -> None:
    whole = _run(_trained, Compression(), algorithm=algorithm)
    for how in (INT8, Compression("topk", share=1.0)):
        found = _run(_sending(how), how, algorithm=algorithm)
        for name, array in whole.parameters.items():
            np.testing.assert_allclose(found.parameters[name], array, atol=0.05)
        assert [set(seen.metrics) for seen in found.rounds] == [{*NODES}, {*NODES}]


def test_what_is_frozen_stays_as_the_hub_has_it() -> None:
    found = _run(_sending(Compression(), ("b",)), Compression(), frozen=("b",))
    np.testing.assert_array_equal(found.parameters["b"], START["b"])
    assert (found.parameters["w"] != START["w"]).all()


def test_a_region_that_failed_is_left_out_and_told_as_before() -> None:
    found = _run(lambda message, node: {} if node == 3 else _sending(INT8)(message, node), INT8)
    assert [dict(seen.failed) for seen in found.rounds] == [{3: "StoreDamaged"}] * 2


def test_a_malformed_update_is_refused_its_region_named_and_the_others_go_on() -> None:
    def answer(message: Message, at: int) -> dict[str, np.ndarray]:
        honest = _sending(INT8)(message, at)
        return {**honest, "scales": np.full_like(honest["scales"], np.nan)} if at == 3 else honest

    found = _run(answer, INT8)
    for seen in found.rounds:
        assert seen.failed == {3: "a compressed update's scales are not finite"} and 3 not in seen.metrics
    assert all(np.isfinite(array).all() for array in found.parameters.values())


def test_an_update_of_unknown_arrays_is_malformed() -> None:
    def gather(grid, messages, timeout):
        for message in messages:
            yield Message(RecordDict({"arrays": ArrayRecord({"x": Array(np.zeros(1))})}), reply_to=message)

    (asked,) = [Message(RecordDict({"arrays": record_of(START)}), 3, "train")]
    (reply,) = expanded(gather, INT8)(None, [asked], 1.0)  # type: ignore[arg-type]
    assert reply.metadata.src_node_id == 3
    assert reply.error.reason.startswith("an update compressed by int8 must be codes")


def _archive() -> bytes:
    np.savez(content := BytesIO(), w=START["w"])
    return content.getvalue()


def _of_size(size: int) -> bytes:
    header = {"descr": "<f4", "fortran_order": False, "shape": (size,)}
    np.lib.format.write_array_header_1_0(content := BytesIO(), header)
    return content.getvalue()


_HALVES = _of_size(1).split(b"'descr'")
"""Around three brackets that nothing closes."""


@pytest.mark.parametrize("kind", ["numpy.ndarray", "of another library"])
@pytest.mark.parametrize(
    "junk",
    [b"", b"no array", b"PK\x03\x04 no archive", _archive(), _of_size(10**15), _of_size(10**30), b"[[[".join(_HALVES)],
)
def test_an_update_whose_bytes_are_no_array_is_refused(junk: bytes, kind: str) -> None:
    def gather(grid, messages, timeout):
        for message in messages:
            arrays = ArrayRecord({name: Array("float32", one.shape, kind, junk) for name, one in START.items()})
            yield Message(RecordDict({"arrays": arrays}), reply_to=message)

    (asked,) = [Message(RecordDict({"arrays": record_of(START)}), 3, "train")]
    (reply,) = expanded(gather, INT8)(None, [asked], 1.0)  # type: ignore[arg-type]
    assert reply.has_error()
    kept, refused = accepted_updates(gather(None, [asked], 1.0), record_of(START))
    assert not kept and refused == {3: "its update cannot be read"}


def test_updates_that_lack_an_array_of_the_model_or_all_are_never_averaged() -> None:
    for only in ({"w": START["w"]}, {"w": START["w"], "x": START["b"]}):
        with pytest.raises(TrainingFailed, match="its update has the array b, or lacks it, unlike the model"):
            _run(lambda message, node, arrays=only: arrays, Compression())  # type: ignore[misc]


def test_without_compression_nothing_stands_between() -> None:
    assert expanded(each_by_itself, Compression()) is each_by_itself
