"""Whatever a machine does to the log: nothing answered is missing, nothing half written stays, nothing goes unsaid."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import LedgerBroken, LogFull
from fedsov.inference.request_log import LogSettings, RequestLog
from fedsov.inference.request_log import open_segment as segments_module
from fedsov.inference.request_log.head_notes import NotedHeads
from fedsov.inference.request_log.lines import DISK_FULL, PLAIN
from fedsov.inference.request_log.log_secrets import LogSecrets, renew
from fedsov.inference.request_log.segments import segments_in
from fedsov.inference.request_log.verification import Verified, verify
from fedsov.keys import KeySettings, rotation
from fedsov.keys.local import version_of
from tests.full_disk import full_disk
from tests.inference.request_log.world import World, line
from tests.killed import lines_of_a_killed

WRITER = """
import sys, threading
from pathlib import Path
from tests.inference.request_log.world import World, line
world = World(Path(sys.argv[1]))
log = world.open(durable="before_answer", segment_bytes=20_000)
number = 0
while True:
    done = threading.Event()
    for each in range(20):
        number += 1
        log.put(line(number, subject=f"X{number % 5}"), (lambda fault, number=number: print(number, flush=True)))
    log.put(line(0), lambda fault: done.set())
    done.wait()
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def checked(world: World) -> Verified:
    notes = NotedHeads.of(note["request_log"] for note in world.notes)
    return verify(world.requests, notes, LogSecrets.open(world.requests, world.keys))


def written(log: RequestLog, lines: int) -> None:
    """Waits until so many lines are on the disk."""
    until = time.monotonic() + 10
    while log.state.lines < lines and time.monotonic() < until:
        time.sleep(0.001)
    assert log.state.lines >= lines


def test_a_writer_that_is_killed_loses_no_line_that_was_answered(world: World) -> None:
    chance, answered = random.Random(17), set[str]()
    assert world.keys.region == "DE"
    for _ in range(6):
        numbers = lines_of_a_killed(WRITER, str(world.folder), chance=chance)
        answered |= {f"r-{number.strip()}" for number in numbers}
        world.open().close()  # cuts a torn end
        logged = {each.request_id for each in world.stored()}
        assert answered <= logged
        assert not checked(world).faults
    assert len(answered) > 20


@pytest.mark.parametrize("lost", [1, 20, 33, 60, 200])
def test_an_end_that_was_half_written_is_cut_noted_and_kept_beside(world: World, lost: int) -> None:
    log = world.open()
    for number in range(3):
        log.put(line(number))
        written(log, number + 1)
    log.close()
    (path,) = segments_in(world.requests).values()
    whole = path.read_bytes()
    os.truncate(path, len(whole) - lost)
    assert checked(World(world.folder)).faults
    again = World(world.folder)
    again.open().close()
    assert [note["request_log"]["event"] for note in again.notes] == ["torn", "started"]
    torn = again.notes[0]["request_log"]["torn"]
    assert path.with_suffix(f".{torn['at']}.torn").read_bytes() == whole[torn["at"] : len(whole) - lost]
    assert [each.request_id for each in world.stored()] == ["r-0", "r-1"]
    assert not checked(again).faults
    assert "the ledger notes 3" in checked(world).faults[0]  # which knew the batch, so that it was no mere crash


def test_a_log_that_is_killed_before_its_first_batch_goes_on(world: World) -> None:
    world.open().close()
    (path,) = segments_in(world.requests).values()
    for content in (b"", b"fedsov", path.read_bytes()[:-1]):
        path.write_bytes(content)
        log = World(world.folder).open()
        log.put(line(1))
        log.close()
        assert [each.request_id for each in world.stored()] == ["r-1"]
        path.unlink()


def test_two_workers_have_chains_of_their_own_and_a_third_takes_one_that_is_free(world: World) -> None:
    first, second = world.open(), world.open()
    for number in range(100):
        (first if number % 2 else second).put(line(number))
    first.close()
    third = world.open()
    third.put(line(100))
    second.close()
    third.close()
    assert {(name.worker, name.number) for name in segments_in(world.requests)} == {(0, 1), (0, 2), (1, 1)}
    assert {each.request_id for each in world.stored()} == {f"r-{number}" for number in range(101)}
    assert not checked(world).faults


def test_a_forked_process_writes_nothing_and_holds_no_chain(world: World) -> None:
    log = world.open()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            try:
                log.put(line(1))
            except LogFull as refused:
                if "forked" in str(refused):
                    time.sleep(5)
                    os._exit(0)
        os._exit(1)
    log.put(line(2))
    log.close()
    again = world.open()  # the same chain, while the child lives
    again.close()
    assert {name.worker for name in segments_in(world.requests)} == {0}
    assert os.waitpid(child, 0)[1] == 0
    assert [each.request_id for each in world.stored()] == ["r-2"]


def test_on_a_full_disk_lines_go_on_without_content_and_are_whole_again_with_room(world: World) -> None:
    log = world.open(on_full_disk="without_subjects", reserve_bytes=20_000)
    for number in range(10):
        log.put(line(number, subject="X1", body=bytes(5000)))
        written(log, number + 1)
    with full_disk(40_000):
        log.put(line(10, subject="X1"))
        written(log, 11)
        assert log.state.is_without_content
        log.put(line(11, subject="X2"))
        written(log, 12)
    time.sleep(1.1)
    log.put(line(12, subject="X2"))
    log.close()
    stored = {each.request_id: each for each in world.stored()}
    assert [stored[f"r-{number}"].how == DISK_FULL for number in (9, 10, 11, 12)] == [False, True, True, False]
    assert (stored["r-10"].content, stored["r-10"].key) == (b"", 0)
    verified = checked(world)
    assert not verified.faults
    (full,) = [remark for remark in verified.remarks if "the disk was full" in remark]
    assert full.startswith("worker 0: 2 lines written while")
    assert [event for event in world.events() if "disk" in event or "space" in event] == ["disk_full", "space_again"]


def test_what_was_set_aside_is_used_up_and_then_nothing_is_answered(world: World) -> None:
    log = world.open(on_full_disk="without_subjects", reserve_bytes=2000)
    for number in range(10):
        log.put(line(number, body=bytes(5000)))
        written(log, number + 1)
    answers = list[LogFull | None]()
    with full_disk(40_000):
        for number in range(60):
            told = threading.Event()
            with suppress(LogFull):
                log.put(line(number), lambda fault: (answers.append(fault), told.set()))  # type: ignore[func-returns-value]  # noqa: B023
                told.wait(5)
    log.close()
    good = sum(answer is None for answer in answers)
    assert 0 < good < len(answers)
    assert sum(each.how == DISK_FULL for each in world.stored()) == good
    assert not checked(world).faults


def test_a_disk_without_room_for_its_first_segment_answers_nothing(world: World) -> None:
    assert world.keys.region == "DE"
    with full_disk(1), pytest.raises(LogFull, match="make room in"):
        world.open()
    world.open().close()


def test_a_ledger_that_cannot_be_written_is_tried_again_and_no_request_waits_for_it(world: World) -> None:
    log = world.open(note_seconds=0.05)
    notes, broken = world.notes, [True]

    class Ledger(list[Any]):
        def append(self, note: Any) -> None:
            if broken[0]:
                raise LedgerBroken("the ledger is on a full disk")
            notes.append(note)

    object.__setattr__(log._chain._place, "note", Ledger().append)
    log.put(line(1))
    written(log, 1)
    time.sleep(1.2)
    assert log.state.unnoted == 1
    broken[0] = False
    log.close()
    assert world.events()[0] == "started" and len(world.events()) > 1
    assert not checked(world).remarks


def test_a_clock_that_steps_back_is_marked_and_numbers_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    log = world.open()
    log.put(line(1))
    written(log, 1)
    hour = 3_600_000_000_000
    now = time.time_ns()
    monkeypatch.setattr(segments_module.time, "time_ns", lambda: now - hour)
    log.put(line(2))
    log.close()
    verified = checked(world)
    assert not verified.faults
    assert verified.remarks == ("segment 1 of worker 0, batch 2: the clock had stepped back when it was written",)


def test_the_regions_keys_are_rotated_under_load_and_no_line_is_refused(world: World) -> None:
    log, ends, put = world.open(), threading.Event(), list[str]()

    def load() -> None:
        while not ends.is_set():
            put.append(f"r-{len(put)}")
            log.put(line(len(put) - 1, subject=f"X{len(put) % 7}"))
            time.sleep(0.0005)

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(0.2)
    keys = rotation.rotate(KeySettings("DE", world.folder))
    renew(world.requests, keys)
    rotation.retire(KeySettings("DE", world.folder))  # what the old version wrapped opens nowhere now
    time.sleep(1.5)
    ends.set()
    thread.join()
    log.close()
    assert [each.request_id for each in world.stored()] == put
    assert len(segments_in(world.requests)) == 2
    assert not checked(world).faults
    assert version_of(keys.wrap(b"", "request log 1")) == 2


def test_a_segment_ends_by_size_and_by_age(world: World) -> None:
    log = world.open(segment_bytes=5000)
    for number in range(60):
        log.put(line(number, body=bytes(500)))
        if number % 5 == 0:
            written(log, number + 1)
    log.close()
    count = len(segments_in(world.requests))
    assert count > 4
    log = world.open(segment_seconds=0.1)
    log.put(line(60))
    written(log, 1)
    count = len(segments_in(world.requests))
    time.sleep(2.2)
    log.put(line(61))
    log.close()
    assert len(segments_in(world.requests)) == count + 1
    assert [each.request_id for each in world.stored()] == [f"r-{number}" for number in range(62)]
    assert {each.how for each in world.stored()} == {PLAIN}
    assert not checked(world).faults


def test_lines_that_wait_are_written_when_a_program_ends_without_closing(world: World) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.inference.request_log.world import World, line;"
        "log = World(Path(sys.argv[1])).open(gather=1.0); log.put(line(1))"
    )
    subprocess.run([sys.executable, "-c", program, str(world.folder)], check=True)
    assert [each.request_id for each in world.stored()] == ["r-1"]


def test_a_torn_end_is_noted_before_it_is_cut_and_cut_by_the_next_start_where_that_failed(world: World) -> None:
    log = world.open()
    log.put(line(1))
    log.close()
    (path,) = segments_in(world.requests).values()
    os.truncate(path, path.stat().st_size - 7)
    torn = path.read_bytes()
    refused = World(world.folder)
    place = refused.place

    def note(content: Any) -> None:
        raise LedgerBroken("the ledger is on a full disk")

    with pytest.raises(LedgerBroken):
        RequestLog.open(replace(place, note=note), LogSettings())
    assert path.read_bytes() == torn
    again = World(world.folder)
    again.open().close()
    assert again.events() == ["torn", "started"]
    assert {name.worker for name in segments_in(world.requests)} == {0}, "the chain that was refused is free again"


def test_a_disk_that_is_too_slow_refuses_requests_before_memory_is_full(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, waits = world.open(most_waiting=10_000), threading.Event()
    monkeypatch.setattr(segments_module.os, "fdatasync", lambda descriptor: waits.wait(10))
    taken, refusal = 0, ""
    while not refusal and taken < 1000:
        try:
            log.put(line(taken, body=bytes(1000)))
            taken += 1
        except LogFull as full:
            refusal = str(full)
    assert "the disk is too slow" in refusal and taken < 30
    waits.set()
    log.close()
    assert len(list(world.stored())) == taken


def test_a_disk_that_answers_with_an_error_refuses_and_goes_on_where_it_left_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = world.open()
    log.put(line(1))
    written(log, 1)
    faults, told = list[LogFull | None](), threading.Event()

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(segments_module.os, "fdatasync", broken)
        log.put(line(2), lambda fault: (faults.append(fault), told.set()))  # type: ignore[func-returns-value]
        assert told.wait(5)
    time.sleep(0.3)
    log.put(line(3))
    log.close()
    assert "Input/output error" in str(faults[0])
    assert [each.request_id for each in world.stored()] == ["r-1", "r-3"]
    assert not checked(world).faults


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone mounts a disk; it runs as root, with CAP_SYS_ADMIN")
def test_a_disk_that_is_really_full_loses_no_answered_line(world: World, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"{mounted.stderr.strip()}; it runs in a container that was begun with --cap-add SYS_ADMIN")
    try:
        small = World(disk)
        log = small.open(durable="before_answer", on_full_disk="without_subjects", reserve_bytes=100_000)
        answered, refused = set[str](), list[str]()
        for number in range(2000):
            told, faults = threading.Event(), list[LogFull | None]()
            with suppress(LogFull):
                log.put(line(number, subject=f"X{number % 3}", body=os.urandom(900)),
                        lambda fault: (faults.append(fault), told.set()))  # type: ignore[func-returns-value]  # noqa: B023  # fmt: skip
                told.wait(5)
            (answered.add if faults == [None] else refused.append)(f"r-{number}")
            if len(refused) > 3:
                break
        log.close()
        logged = {each.request_id: each.how for each in small.stored()}
        assert answered == set(logged)
        assert DISK_FULL in logged.values() and refused
        assert not checked(small).faults
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.long
def test_a_writer_that_is_killed_many_times_under_rotation_and_erasure_loses_nothing(world: World) -> None:
    chance, answered = random.Random(18), set[str]()
    keys = world.keys
    for round_number in range(40):
        numbers = lines_of_a_killed(WRITER, str(world.folder), chance=chance)
        answered |= {f"r-{number.strip()}" for number in numbers}
        if round_number % 8 == 7:
            renew(world.requests, rotation.rotate(KeySettings("DE", world.folder)))
        world.open().close()
        assert answered <= {each.request_id for each in world.stored()}
        assert not checked(world).faults
    assert keys.region == "DE"


def test_a_log_is_ready_again_by_itself_once_there_is_room(world: World) -> None:
    log, told = world.open(durable="before_answer"), threading.Event()
    with full_disk(500):
        log.put(line(1, subject="X1"), lambda fault: told.set())
        assert told.wait(5)
        time.sleep(1.5)
        assert log.state.fault
    until = time.monotonic() + 5
    while log.state.fault and time.monotonic() < until:
        time.sleep(0.01)
    assert not log.state.fault
    log.put(line(2))
    log.close()
    assert [each.request_id for each in world.stored()] == ["r-2"]
    assert not checked(world).faults
