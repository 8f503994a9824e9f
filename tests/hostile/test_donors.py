"""Synthetic rows that are none cost their recipient those rows, and never its own training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.errors import KeyUnavailable
from fedsov.label import PUBLIC, Label
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol.job import TrainingJob
from fedsov.region import client_app
from fedsov.region.session import Session
from fedsov.region.strategies import synthetic
from tests.own_settings import CLOSED, SECRET
from tests.region.world import remembering

Opens = Callable[[bytes], tuple[Label, bytes]]
DONOR = Label(frozenset({"US"}))


def _records(region: str, rows: int = 200, columns: tuple[str, ...] = ("age", "visits")) -> Records:
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=rows) for name in columns}
    return Records(
        region=region,
        columns=numbers,
        kinds=dict.fromkeys(columns, "numeric"),
        target=(next(iter(numbers.values())) > 0).astype(float),
        subjects=np.array([f"{row:032x}" for row in range(rows)]),
        labels=(Label(frozenset({region})),),
        label_of=np.zeros(rows, int),
    )


def _made(*columns: str) -> bytes:
    """Rows as a donor's synthesizer marks them: of nobody."""
    records = _records("US", columns=columns)
    return synthetic.to_bytes(
        replace(records, subjects=np.array([f"{synthetic.MADE}{row}" for row in range(len(records))]))
    )


def _not_for_me(_: bytes) -> tuple[Label, bytes]:
    raise KeyUnavailable("the sealing key of DE does not open this")


def _finished(folder: Path, opens: Opens) -> tuple[Session, dict[str, object]]:
    job = TrainingJob("people", TargetRule("ill"))
    session = remembering(Session(_records("DE"), job, folder, settings=CLOSED, secret=SECRET), folder)
    content = {"config": ConfigRecord({"strategy": "synthetic"}), "parcels": ConfigRecord({"DE": b"sealed"})}
    answer = client_app.finish(session, Message(RecordDict(content), 2, "query.finish"), opens)
    return session, json.loads(str(answer.config_records["metrics"]["json"]))


@pytest.mark.parametrize(
    ("opens", "why"),
    [
        (_not_for_me, "KeyUnavailable"),
        (lambda _: (DONOR, b""), ""),
        (lambda _: (DONOR, b"PK\x03\x04" + bytes(100)), ""),
        (lambda _: (DONOR, _made("height")), ""),
    ],
    ids=["sealed for another", "nothing", "an archive", "other columns"],
)
def test_rows_that_cannot_be_used_leave_the_region_with_a_model_of_its_own(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, opens: Opens, why: str
) -> None:
    """A donor that sends garbage would otherwise leave every region that it donates to without any model."""
    session, outcome = _finished(tmp_path, opens)
    assert outcome["selected"] == "local" and session.received == PUBLIC
    assert session.finished is not None
    assert session.finished.note.startswith(f"the synthetic rows that came are of no use ({why}")
    assert "Traceback" in capfd.readouterr().err  # in the region's own log


def test_rows_that_can_be_used_are(tmp_path: Path) -> None:
    session, _ = _finished(tmp_path, lambda _: (DONOR, _made("age", "visits")))
    assert session.finished is not None and "of no use" not in session.finished.note
    assert session.received == DONOR
