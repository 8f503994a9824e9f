"""Messages as parcels: whole, once for whoever shares them, and measured before they are laid out."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.protocol.flower_messages import HUB_NODE, MessageTooLarge, SizeLimit, flower_process
from fedsov.runtimes.deployment.flower_clients import (
    first_message,
    named_once,
    parcel_of,
    parcelled,
    record_names,
    record_names_of,
)
from fedsov.runtimes.deployment.parcels import ParcelDamaged, pack_parcel, unpack_parcel


@pytest.fixture(autouse=True)
def hub():
    with flower_process(HUB_NODE):
        yield


def message(node, arrays, **config):
    content = RecordDict({"arrays": arrays, "config": ConfigRecord(config)})
    return Message(content, dst_node_id=node, message_type="train")


def packed(*messages):
    with named_once():
        return parcel_of(messages)


def test_messages_come_out_as_they_went_in():
    arrays = ArrayRecord([np.linspace(0, 1, 1000), np.arange(5)])
    sent = [message(node, arrays, number=node) for node in (3, 4)]
    came = parcelled(packed(*sent))
    assert [each.metadata.dst_node_id for each in came] == [3, 4]
    for each, original in zip(came, sent, strict=True):
        received = each.message()
        assert received.metadata.message_id == original.metadata.message_id == each.name
        assert received.content["config"] == original.content["config"]
        for got, wanted in zip(received.content["arrays"].to_numpy_ndarrays(), arrays.to_numpy_ndarrays(), strict=True):
            assert np.array_equal(got, wanted)
    assert first_message(packed(*sent)) == came[0].name


def test_a_model_that_goes_to_several_travels_once():
    arrays = ArrayRecord([np.random.default_rng(0).random(100_000)])
    one, four = packed(message(3, arrays)), packed(*(message(node, arrays, number=node) for node in (3, 4, 5, 6)))
    assert len(four) < 1.1 * len(one)


def test_an_answer_beyond_its_limit_is_not_laid_out():
    (came,) = parcelled(packed(message(3, ArrayRecord([np.zeros(1000)]))))
    came.message(SizeLimit(10_000, 10_000))
    with pytest.raises(MessageTooLarge):
        came.message(SizeLimit(10_000, 7_000))
    with pytest.raises(MessageTooLarge):
        came.message(SizeLimit(10, 10_000))


def test_a_message_that_lacks_an_object_is_refused():
    head, objects = unpack_parcel(packed(message(3, ArrayRecord([np.zeros(10)]))))
    for name in objects:
        without = {key: value for key, value in objects.items() if key != name}
        (came,) = parcelled(pack_parcel(head, without))
        with pytest.raises(ParcelDamaged):
            came.message()


def test_the_names_of_records_follow_from_every_number_in_them():
    content = RecordDict({"arrays": ArrayRecord([np.array([1.0, 2.0])]), "config": ConfigRecord({"a": 1})})
    other = RecordDict({"arrays": ArrayRecord([np.array([1.0, 2.5])]), "config": ConfigRecord({"a": 1})})
    names = record_names(content)
    assert names["arrays"] != record_names(other)["arrays"]
    assert names["config"] == record_names(other)["config"]
    (came,) = parcelled(packed(Message(content, dst_node_id=3, message_type="train")))
    assert record_names_of(came.name, came.objects) == names
