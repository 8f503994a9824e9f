"""What a running endpoint logs is verified, exported, erased and re-keyed while it answers."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from fedsov.api.inference.request_logs import columns_of, noted_heads
from fedsov.inference.request_log.log_secrets import LogSecrets, renew
from fedsov.inference.request_log.reader import read_lines
from fedsov.inference.request_log.segments import segments_in
from fedsov.inference.request_log.subject_keys import SubjectKeys
from fedsov.inference.request_log.table import FLOAT32, table_of
from fedsov.inference.request_log.verification import Verified, verify
from fedsov.keys import KeySettings, open_keys, rotation
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import ledger_of
from tests.runtimes.serving.serving_world import MODEL, ServingWorld


def secrets_of(world: ServingWorld) -> LogSecrets:
    return LogSecrets.open(world.place.serving.requests, open_keys(KeySettings("DE", world.folder)))


def checked(world: ServingWorld) -> Verified:
    with closing(Ledger.read(ledger_of(world.folder))) as ledger:
        noted = noted_heads(ledger)
    return verify(world.place.serving.requests, noted, secrets_of(world))


def test_answers_of_every_form_are_exported_as_rows(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path / "DE", log={"durable": "before_answer"})
    world.approve(1)
    names = columns_of(world.folder)(MODEL, 1)
    row = dict(zip(names, np.arange(len(names)) + 0.5, strict=True))
    with world.serving() as running:
        running.ready()
        answers = [running.predict({"rows": [row, row]}), running.predict(
            np.array([[*row.values()]], "<f4").tobytes(), content_type=FLOAT32)]  # fmt: skip
        tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in row.items()]
        headers = {"authorization": f"Bearer {world.tokens.token('DE')}", "content-type": "application/json"}
        body = json.dumps({"inputs": tensors}).encode()
        answers.append(running.ask("POST", f"/v2/models/{MODEL}/infer", body, headers))
        assert [answer.status for answer in answers] == [200] * 3, [answer.body for answer in answers]
    lines = list(read_lines(world.place.serving.requests, secrets_of(world), with_content=True))
    table = table_of(lines, columns_of(world.folder))
    assert dict(table.left_out) == {} and len(table.rows) == 4
    assert len({round(each["prediction"], 6) for each in table.rows}) == 1
    assert all({name: each[name] for name in names} == row for each in table.rows)
    assert not checked(world).faults


def test_keys_are_rotated_and_a_person_is_erased_while_an_endpoint_answers_without_a_failed_request(
    tmp_path: Path,
) -> None:
    world = ServingWorld.new(tmp_path / "DE", log={"durable": "before_answer"}, workers=2)
    world.approve(1)
    row = dict.fromkeys(columns_of(world.folder)(MODEL, 1), 0.5)
    requests, statuses, ends = world.place.serving.requests, list[int](), threading.Event()
    with world.serving() as running:
        running.ready()

        def load() -> None:
            while not ends.is_set():
                statuses.append(running.predict({"rows": [row]}).status)

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        keys = rotation.rotate(KeySettings("DE", world.folder))
        assert renew(requests, keys) == 1
        rotation.retire(KeySettings("DE", world.folder))
        time.sleep(2)
        with closing(SubjectKeys.open(requests, secrets_of(world))) as subjects:
            subject = next(read.line.subject for read in read_lines(requests, secrets_of(world), with_content=True))
            assert subjects.erase(subject)
        time.sleep(0.5)
        ends.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200} and len(statuses) > 20
    withheld = [read.withheld for read in read_lines(requests, secrets_of(world), with_content=True)]
    assert withheld == ["erased"] * len(statuses)
    assert {path.name for path in segments_in(requests).values()} > {"000-00000001.segment"}
    assert len(checked(world).faults) == 1, "an erasure that no ledger notes"
