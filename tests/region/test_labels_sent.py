"""A region remembers what bound its updates, beyond its process, and for the global model alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import flower_process, record_of
from fedsov.region import labels_sent
from fedsov.region.journal import Journal
from fedsov.region.labels_sent import LabelShrunk
from tests.own_settings import SECRET

DE, US = Label(frozenset({"DE"})), Label(frozenset({"US"}))


@pytest.fixture(autouse=True)
def flower() -> Iterator[None]:
    with flower_process():
        yield


def _message(kind: str = "train", *, model: bool = True, **config: str) -> Message:
    content = RecordDict({"config": ConfigRecord({"scope": "shareable", **config})})
    if model:
        content["arrays"] = record_of({"w": np.zeros(2, np.float32)})
    return Message(content, 2, kind)


def test_a_model_with_all_bonds_or_more_is_accepted_and_one_that_lacks_one_is_not(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "r", SECRET)
    labels_sent.check(journal, _message(), PUBLIC)
    labels_sent.note(journal, _message(), _message(), DE)
    labels_sent.note(journal, _message(), _message(), US)
    labels_sent.note(journal, _message(), _message(model=False), Label(frozenset({"IT"})))  # no update left
    for remembered in (journal, Journal.open(tmp_path, "r", SECRET)):
        labels_sent.check(remembered, _message(), DE | US | Label(frozenset({"FR"})))
        for shrunk in (PUBLIC, DE, US):
            for kind in ("train", "train.masked"):
                with pytest.raises(LabelShrunk, match="this region's updates to it are DE"):
                    labels_sent.check(remembered, _message(kind), shrunk)
        with pytest.raises(LabelShrunk):
            labels_sent.check(remembered, _message("query.finish", strategy="federated"), DE)


def test_the_model_of_public_rows_and_what_carries_none_may_be_public() -> None:
    journal = Journal()
    labels_sent.note(journal, _message(), _message(), DE)
    labels_sent.check(journal, _message(scope="public"), PUBLIC)
    labels_sent.check(journal, _message("query.finish", strategy="transfer_learning"), PUBLIC)
    labels_sent.check(journal, _message(model=False), PUBLIC)
    assert Label.from_json(journal.notes["sent"]) == DE
