"""One person is erased by one key; the log goes on, verifies, and makes no key for them again."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.inference.request_log.head_notes import NotedHeads
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.reader import ERASED, ReadLine, read_lines
from fedsov.inference.request_log.subject_keys import SubjectKeys
from fedsov.inference.request_log.verification import verify
from tests.inference.request_log.world import BODY, World, line


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def secrets_of(world: World) -> LogSecrets:
    return LogSecrets.open(world.requests, world.keys)


def read(world: World) -> dict[str, ReadLine]:
    lines = read_lines(world.requests, secrets_of(world), with_content=True)
    return {each.line.request_id: each for each in lines}


def erase(world: World, subject: str) -> bool:
    with closing(SubjectKeys.open(world.requests, secrets_of(world))) as keys:
        return keys.erase(subject)


def test_an_erased_persons_content_is_gone_and_everybody_elses_stays(world: World) -> None:
    log = world.open()
    for number, subject in enumerate(("X1", "X2", "X1", "")):
        log.put(line(number, subject=subject))
    log.close()
    assert {each.line.subject for each in read(world).values()} == {"X1", "X2", ""}
    assert erase(world, "X1")
    lines = read(world)
    assert [lines[f"r-{number}"].withheld for number in range(4)] == [ERASED, "", ERASED, ""]
    assert (lines["r-0"].line.body, lines["r-0"].line.answer, lines["r-0"].line.subject) == (b"", b"", "")
    assert (lines["r-0"].line.model, lines["r-0"].line.at) == ("people", line(0).at)
    assert lines["r-1"].line.body == BODY
    notes = (note["request_log"] for note in world.notes)
    assert not verify(world.requests, NotedHeads.of(notes, erasures=1), secrets_of(world)).faults


def test_a_worker_that_has_the_key_in_memory_writes_no_content_of_an_erased_person(world: World) -> None:
    log = world.open()
    log.put(line(0, subject="X1"))
    while log.state.lines < 1:
        time.sleep(0.001)
    erase(world, "X1")
    log.put(line(1, subject="X1"))
    log.put(line(2, subject="X2"))
    log.close()
    assert [each.withheld for each in read(world).values()] == [ERASED, ERASED, ""]
    with closing(SubjectKeys.open(world.requests, secrets_of(world))) as keys:
        assert keys.of(["X1"])["X1"].cipher is None
        keys.lift("X1")
    log = world.open()
    log.put(line(3, subject="X1"))
    log.close()
    assert [each.withheld for each in read(world).values()] == [ERASED, ERASED, "", ""]


def test_a_person_who_never_asked_is_erased_too(world: World) -> None:
    world.open().close()
    assert not erase(world, "X9")
    log = world.open()
    log.put(line(0, subject="X9"))
    log.close()
    assert read(world)["r-0"].withheld == ERASED


def test_the_key_is_in_no_file_once_it_is_erased(world: World) -> None:
    log = world.open()
    log.put(line(0, subject="X1"))
    log.close()
    database = world.requests / "subjects.sqlite"
    with closing(sqlite3.connect(database)) as opened:
        ((wrapped,),) = opened.execute("SELECT wrapped FROM subjects").fetchall()
    assert any(wrapped in path.read_bytes() for path in world.requests.glob("subjects.sqlite*"))
    erase(world, "X1")
    assert not any(wrapped in path.read_bytes() for path in world.requests.glob("subjects.sqlite*"))


def test_a_person_among_ten_thousand_is_erased_within_fifty_milliseconds(world: World) -> None:
    log = world.open()
    for number in range(10_000):
        log.put(line(number, subject=f"X{number}"))
    while log.state.waiting:
        time.sleep(0.01)
    with closing(SubjectKeys.open(world.requests, secrets_of(world))) as keys:
        took = []
        for number in range(9):
            start = time.perf_counter()
            keys.erase(f"X{number * 1000}")
            took.append(time.perf_counter() - start)
    log.close()
    assert sorted(took)[4] < 0.05, took


def test_a_key_that_no_line_needs_goes_at_the_second_look_and_who_asks_in_between_has_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open().close()
    with closing(SubjectKeys.open(world.requests, secrets_of(world))) as keys:
        before = keys.of(["X1", "X2", "X3"])
        used = {before["X3"].number}
        assert keys.forget(used) == 0
        assert keys.forget(used) == 0, "the same day"
        assert keys.of(["X2"])["X2"].number == before["X2"].number
        tomorrow = time.time() + 86_400
        monkeypatch.setattr("fedsov.inference.request_log.subject_keys.time.time", lambda: tomorrow)
        assert keys.forget(used) == 1
        assert [keys.has(f"X{number}") for number in (1, 2, 3)] == [False, True, True]
        assert keys.opening(before["X1"].number) is None


def test_an_erasure_in_one_process_is_seen_by_every_worker(world: World) -> None:
    logs = [world.open(), world.open()]
    for number, log in enumerate(logs):
        log.put(line(number, subject="X1"))
        while log.state.lines < 1:
            time.sleep(0.001)
    erase(world, "X1")
    for number, log in enumerate(logs, start=2):
        log.put(line(number, subject="X1"))
        log.close()
    assert {each.withheld for each in read(world).values()} == {ERASED} and len(read(world)) == 4


def test_numbers_of_a_database_that_was_lost_are_not_those_of_the_next(world: World) -> None:
    log = world.open()
    log.put(line(0, subject="X1"))
    log.close()
    (world.requests / "subjects.sqlite").unlink()
    log = world.open()
    log.put(line(1, subject="X2"))
    log.close()
    assert [each.withheld for each in read(world).values()] == [ERASED, ""]
    notes = (note["request_log"] for note in world.notes)
    (fault,) = verify(world.requests, NotedHeads.of(notes, erasures=0), secrets_of(world)).faults
    assert "the keys of 1 person are gone" in fault
