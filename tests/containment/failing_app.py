"""A client that fails in each round, with a person's row in the text of its exception; else it is fedsov's own."""

from __future__ import annotations

from typing import Any

from flwr.app import Message, RecordDict

from fedsov.region import client_app
from fedsov.region.session import Session
from tests.containment.canaries import canaries_of


def _train(session: Session, message: Message) -> RecordDict:
    rows: list[Any] = [canary.text for canary in canaries_of(session.records.region)]
    raise ValueError(f"cannot convert {rows} to float")


client_app.train = _train
