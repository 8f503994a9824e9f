"""A region's log of requests, reached by every act of its owner: erasure, period, holds, new keys, backup, export."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fedsov.api.inference import request_logs
from fedsov.api.inference.request_logs import Wanted, export, opened, show, verify
from fedsov.api.lifecycle import erasure, retention
from fedsov.errors import ConfigurationError, JobRefused, KeyUnavailable
from fedsov.inference.request_log import Line, LogSettings, RequestLog, place_in
from fedsov.inference.request_log import open_segment as segments
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.segments import segments_in
from fedsov.keys import KeySettings, open_keys_as
from fedsov.keys.principals import ENDPOINT
from fedsov.ledger.ledger import Ledger
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn

PEOPLE = 60
CANARY = "canary-7f3a"


@pytest.fixture(scope="module", autouse=True)
def warm(fork_servers: None) -> None:
    """Before the first test of this module that a process runs."""


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(PEOPLE)))
    return region


@pytest.fixture
def region(ingested: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """A region of 60 people, in a workspace that a test may change."""
    return ingested.copied(tmp_path / "copy")


def root(region: PeopleRegion) -> Path:
    return region.place / "w"


def opened_log(region: PeopleRegion, **settings: Any) -> RequestLog:
    return RequestLog.open(place_in(region.folder, "DE"), LogSettings(**settings))


def line(number: int, *, subject: str = "", **body: Any) -> Line:
    row = {"income": 1000.0 + number, "ward": "AB"[number % 2], **body}
    answer = {"predictions": [number / 100], "outputs": ["ill"], "model": "people-de", "version": 1}
    sent = (json.dumps({"rows": [row]}).encode(), json.dumps(answer).encode())
    return Line(f"r-{number}", 1.8e9 + number, "DE", ("personal",), "people-de", 1, "champion",
                "application/json", "application/json", subject, *sent)  # fmt: skip


def asked(region: PeopleRegion, numbers: range, **settings: Any) -> None:
    """These people ask, one request each."""
    log = opened_log(region, **settings)
    for number in numbers:
        log.put(line(number, subject=f"q{number}"))
    log.close()


def asked_forty_days_ago(region: PeopleRegion, monkeypatch: pytest.MonkeyPatch, *numbers: range) -> None:
    """These people asked then; the people of each range in segments of their own."""
    then = time.time_ns() - 40 * 86_400 * 10**9
    with monkeypatch.context() as earlier:
        earlier.setattr(segments.time, "time_ns", lambda: then)
        for each in numbers:
            asked(region, each)


def notes(region: PeopleRegion, name: str) -> Iterator[dict[str, Any]]:
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        yield from (dict(entry.body["note"][name]) for entry in ledger.notes(name))


def test_a_log_verifies_against_its_ledger_and_a_copy_of_it_elsewhere_does(
    region: PeopleRegion, tmp_path: Path
) -> None:
    asked(region, range(5))
    verified = verify(root(region), "DE")
    assert (verified.faults, verified.remarks, verified.lines, verified.has_key) == ((), (), 5, True)
    shutil.copytree(ServingFolder(region.folder).requests, tmp_path / "elsewhere")
    assert not verify(root(region), "DE", folder=tmp_path / "elsewhere").faults
    (segment,) = segments_in(tmp_path / "elsewhere").values()
    segment.write_bytes(segment.read_bytes()[:-1])
    for with_key in (True, False):
        assert verify(root(region), "DE", folder=tmp_path / "elsewhere", with_key=with_key).faults


def test_an_endpoint_s_keyring_of_its_own_writes_the_log_and_a_trainer_s_opens_none(region: PeopleRegion) -> None:
    for principal in ("endpoint", "trainer"):
        secret = region.place / f"{principal}.passphrase"
        secret.write_text(f"a long passphrase of the {principal}")
        secret.chmod(0o600)
        service = ("key_service.backend=passphrase", f"key_service.credential_file={secret}")
        ended = call("keys", "grant", "DE", principal, *service, "--why", "w", "--workspace", root(region))
        assert ended.code == 0, ended.err
    assert open_keys_as(KeySettings("DE", region.folder), ENDPOINT).principal == ENDPOINT
    asked(region, range(3))
    assert not verify(root(region), "DE").faults
    assert len(opened(root(region), "DE", Wanted(), purpose="inference", principal="endpoint")) == 3
    with pytest.raises(KeyUnavailable, match="the trainer of DE does not have the key of requests"):
        opened(root(region), "DE", Wanted(), purpose="training", principal="trainer")


def test_metadata_is_shown_to_anybody_there_and_content_for_a_purpose_that_the_ledger_notes(
    region: PeopleRegion,
) -> None:
    asked(region, range(5))
    assert [read.line.body for read in show(root(region), "DE", Wanted(last=2))] == [b"", b""]
    assert not [note for note in notes(region, "store_opened") if note["dataset"] == "requests"]
    with pytest.raises(JobRefused, match="endpoint opens no store for training"):
        opened(root(region), "DE", Wanted(), purpose="training", principal="endpoint")
    lines = opened(root(region), "DE", Wanted(since=1.8e9 + 3), purpose="training", by="A. Person")
    assert [read.line.subject for read in lines] == ["q3", "q4"]
    noted = [
        (note["principal"], note["verdict"]) for note in notes(region, "store_opened") if note["dataset"] == "requests"
    ]
    assert noted == [("endpoint", "refuse"), ("owner", "permit")]


def test_an_erasure_reaches_the_log_of_an_endpoint_that_goes_on(region: PeopleRegion) -> None:
    log = opened_log(region)
    for number in range(20):
        log.put(line(number, subject=f"q{number % 2}", ward=CANARY))
    while log.state.lines < 20:
        time.sleep(0.01)
    start = time.perf_counter()
    erased = erasure.erase(root(region), "DE", "q1", by="A. Person", why="request 12")
    took = time.perf_counter() - start
    assert erased.removed["log of requests"] == ["the key of the subject's requests and answers"]
    assert "log of requests" in erased.to_json()["places"]
    log.put(line(20, subject="q1"))
    log.close()
    lines = opened(root(region), "DE", Wanted(), purpose="inference")
    assert sum(read.withheld == "erased" for read in lines) == 11
    assert {read.line.subject for read in lines} == {"q0", ""}
    assert not verify(root(region), "DE").faults
    assert took < 5  # the key itself: tests/inference/request_log/test_subject_keys.py
    erasure.lift(root(region), "DE", "q1", why="new contract")
    asked(region, range(1, 2))
    assert opened(root(region), "DE", Wanted(last=1, since=None), purpose="inference")[0].line.request_id == "r-20"
    assert sum(read.line.subject == "q1" for read in opened(root(region), "DE", Wanted(), purpose="inference")) == 1


def test_a_hold_on_the_log_keeps_a_person_s_requests(region: PeopleRegion) -> None:
    asked(region, range(3))
    retention.hold(root(region), "DE", "requests", "q1", why="claim 7")
    with pytest.raises(JobRefused, match="keeps requests of this subject on a legal hold"):
        erasure.erase(root(region), "DE", "q1", why="request 12")
    assert erasure.erase(root(region), "DE", "q2", why="request 13").removed["log of requests"]
    retention.release(root(region), "DE", "requests", "q1", why="settled")
    assert erasure.erase(root(region), "DE", "q1", why="request 12").removed["log of requests"]


def test_what_is_past_its_period_leaves_whole_and_the_rest_verifies_from_there(
    region: PeopleRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_forty_days_ago(region, monkeypatch, range(4), range(4, 6))
    asked(region, range(6, 9))
    region.set("serving.retention_days=30")
    (due,) = [due for due in retention.plan(root(region), "DE")[0] if due.store == "requests"]
    assert (due.rows, due.past, due.on_hold) == (9, 6, 0)
    retention.hold(root(region), "DE", "requests", why="case 1")
    (due,) = [due for due in retention.apply(root(region), "DE", why="monthly") if due.store == "requests"]
    assert due.on_hold == 6 and verify(root(region), "DE").lines == 9
    retention.release(root(region), "DE", "requests", why="closed")
    retention.apply(root(region), "DE", why="monthly")
    verified = verify(root(region), "DE")
    assert (verified.faults, verified.lines, verified.removed_lines) == ((), 3, 6)
    assert [note["lines"] for note in notes(region, "request_log") if note["event"] == "removed"] == [6]
    asked(region, range(9, 10))
    assert verify(root(region), "DE").lines == 4
    log, secrets = ServingFolder(region.folder).requests, open_keys_as(KeySettings("DE", region.folder), ENDPOINT)
    (first, *_) = segments_in(log)
    shutil.copy(segments_in(log)[first], log / "000-00000001.segment")
    assert verify(root(region), "DE").faults
    assert LogSecrets.open(log, secrets).newest == 1


def test_an_idle_log_is_emptied_too_and_its_people_are_forgotten(
    region: PeopleRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_forty_days_ago(region, monkeypatch, range(4))
    region.set("serving.retention_days=30")
    retention.apply(root(region), "DE", why="monthly")
    verified = verify(root(region), "DE")
    assert (verified.faults, verified.lines, verified.removed_lines) == ((), 0, 4)
    tomorrow = time.time() + 86_400
    monkeypatch.setattr("fedsov.inference.request_log.subject_keys.time.time", lambda: tomorrow)
    retention.apply(root(region), "DE", why="monthly")
    assert erasure.erase(root(region), "DE", "q1", why="request 12").removed["log of requests"] == []


def test_new_keys_wrap_the_log_anew_while_it_is_written_and_old_ones_open_it_no_more(region: PeopleRegion) -> None:
    log = opened_log(region)
    numbers = iter(range(10_000))

    def load(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            log.put(line(number := next(numbers), subject=f"q{number % 3}"))
            time.sleep(0.001)

    load(0.1)
    assert "the keys of 1 file" not in call("keys", "rotate", "DE", "--why", "yearly", "--workspace", root(region)).err
    load(1.5)
    assert call("keys", "retire", "DE", "--yes", "--why", "yearly", "--workspace", root(region)).code == 0
    load(1.5)
    log.close()
    written = next(numbers)
    verified = verify(root(region), "DE")
    assert (verified.faults, verified.lines) == ((), written)
    assert not [read for read in opened(root(region), "DE", Wanted(), purpose="inference") if read.withheld]
    assert len(segments_in(ServingFolder(region.folder).requests)) == 2


def test_a_backup_holds_the_log_of_an_endpoint_that_goes_on_and_it_verifies_where_it_is_put_back(
    region: PeopleRegion, tmp_path: Path
) -> None:
    secret = tmp_path / "backup.passphrase"
    secret.write_text("a passphrase that is long enough")
    secret.chmod(0o600)
    log = opened_log(region, gather=0.001, on_full_disk="without_subjects")
    for number in range(200):
        log.put(line(number, subject=f"q{number}"))
    while log.state.lines < 200:
        time.sleep(0.01)
    archive = tmp_path / "de.fedsov-backup"
    for number in range(200, 300):
        log.put(line(number))
    made = call("backup", "DE", "--out", archive, "--passphrase", secret, "--workspace", root(region))
    assert made.code == 0, made.err
    log.close()
    assert call("restore", archive, "--passphrase", secret, "--workspace", tmp_path / "back").code == 0
    back = PeopleRegion(tmp_path / "back")
    there = tmp_path / "back"
    RequestLog.open(place_in(there / "regions" / "DE", "DE"), LogSettings()).close()  # cuts what was half written
    verified = verify(there, "DE")
    assert not verified.faults and 200 <= verified.lines <= 300, verified
    assert not (there / "regions" / "DE" / "serving" / "requests" / "000.reserve").exists()
    assert back.code == "DE"


def test_requests_become_training_rows_of_their_people_once_an_outcome_is_joined(
    region: PeopleRegion, tmp_path: Path
) -> None:
    asked(region, range(100, 140))
    out = tmp_path / "requests.parquet"
    exported = export(root(region), "DE", out, purpose="training", by="A. Person")
    assert (exported.rows, dict(exported.left_out)) == (40, {})
    table = pq.read_table(out).to_pylist()
    assert table[0] == {
        "income": 1100.0, "ward": "A", "prediction": 1.0, "request_id": "r-100", "request_row": 0,
        "request_time": "2027-01-15T08:01:40.000+00:00", "request_jurisdiction": "DE", "request_subject": "q100",
        "request_label": '{"origins": ["DE"], "categories": ["personal"], "restrictions": []}',
        "request_model": "people-de", "request_version": 1, "request_role": "champion", "request_host": "",
    }  # fmt: skip
    chance = random.Random(1)
    rows = [
        (row["request_jurisdiction"], row["request_subject"], row["income"], row["ward"], chance.randint(0, 1))
        for row in table
    ]
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
    (region.place / "people.csv").write_text("\n".join(lines) + "\n")
    ended = call("ingest", *region.words(), "--append", "--key", "requests", "--json", "--quiet")
    assert ended.code == 0, ended.err
    erased = erasure.erase(root(region), "DE", "q100", why="request 14")
    assert erased.removed["store"] == ["1 row of people"] and erased.removed["log of requests"]
    again = export(root(region), "DE", tmp_path / "again.csv", purpose="training")
    assert (again.rows, dict(again.left_out)) == (39, {"erased": 1})


def test_an_export_writes_over_nothing_and_names_what_it_cannot_be(region: PeopleRegion, tmp_path: Path) -> None:
    asked(region, range(2))
    out = tmp_path / "requests.csv"
    out.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists, and nothing is written over"):
        export(root(region), "DE", out, purpose="training")
    with pytest.raises(ConfigurationError, match="ends in none of .parquet, .csv"):
        export(root(region), "DE", tmp_path / "requests.xlsx", purpose="training")
    assert request_logs.seconds("2026-11-30T01:00") - request_logs.seconds("2026-11-30") == 3600
    with pytest.raises(ConfigurationError, match="--since yesterday is no moment"):
        request_logs.seconds("yesterday")


def test_a_canary_of_a_request_is_in_no_byte_of_the_workspace(region: PeopleRegion) -> None:
    log = opened_log(region)
    for number in range(10):
        log.put(line(number, subject=CANARY, ward=CANARY))
        log.put(line(number, ward=CANARY))
    log.close()
    verify(root(region), "DE")
    show(root(region), "DE", Wanted())
    erasure.erase(root(region), "DE", CANARY, why="request 15")
    for path in root(region).rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_what_is_past_leaves_while_the_endpoint_goes_on(region: PeopleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_forty_days_ago(region, monkeypatch, range(4))
    log = opened_log(region)  # goes on in a chain of its own segments meanwhile
    log.put(line(5))
    while log.state.lines < 1:
        time.sleep(0.01)
    region.set("serving.retention_days=30")
    for past in (4, 0):
        dues = retention.apply(root(region), "DE", by="A. Person", why="monthly")
        (due,) = [due for due in dues if due.store == "requests"]
        assert (due.past, due.on_hold) == (past, 0)
    log.put(line(6))
    log.close()
    verified = verify(root(region), "DE")
    assert (verified.faults, verified.lines, verified.removed_lines) == ((), 2, 4)
    (removed,) = [note for note in notes(region, "request_log") if note["event"] == "removed"]
    assert (removed["by"], removed["why"]) == ("A. Person", "monthly")


def test_a_removal_that_was_killed_is_ended_by_the_next(region: PeopleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_forty_days_ago(region, monkeypatch, range(4), range(4, 8))
    asked(region, range(8, 10))
    region.set("serving.retention_days=30")

    def killed(self: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            retention.apply(root(region), "DE", why="monthly")
    (fault, *_) = verify(root(region), "DE").faults
    assert "was removed when its period was over, by the ledger, and is there again" in fault
    retention.apply(root(region), "DE", why="monthly")
    verified = verify(root(region), "DE")
    assert (verified.faults, verified.lines, verified.removed_lines) == ((), 2, 8)
