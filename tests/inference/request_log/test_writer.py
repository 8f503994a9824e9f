"""What was answered is in the log, whole and in order, and an answer that waits is told so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import LogFull
from fedsov.inference.request_log.lines import PLAIN
from tests.full_disk import full_disk
from tests.inference.request_log.world import ANSWER, BODY, World, line


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("durable", ["batch", "before_answer"])
def test_lines_are_read_again_as_they_were_put(world: World, durable: str) -> None:
    log = world.open(durable=durable)
    lines = [line(number) for number in range(500)]
    for each in lines:
        log.put(each)
    log.close()
    stored = list(world.stored())
    assert [each.opened(each.content) for each in stored] == lines
    assert {each.how for each in stored} == {PLAIN}
    assert world.events() == ["started", "closed"]


def test_an_answer_that_waits_is_told_when_its_line_is_on_the_disk(world: World) -> None:
    log, told, on_disk = world.open(durable="before_answer"), threading.Event(), list[int]()

    def done(fault: LogFull | None) -> None:
        on_disk.append(len(list(world.stored())) if fault is None else -1)
        told.set()

    log.put(line(1), done)
    assert told.wait(5)
    assert on_disk == [1]
    log.close()


def test_nothing_is_taken_after_the_end(world: World) -> None:
    log = world.open()
    log.close()
    with pytest.raises(LogFull, match="closed"):
        log.put(line(1))


def test_a_full_disk_refuses_answers_and_loses_no_answered_line(world: World) -> None:
    log, told, faults = world.open(), threading.Event(), list[LogFull | None]()
    with full_disk(500):
        log.put(line(1))
        log.put(line(2), lambda fault: (faults.append(fault), told.set()))  # type: ignore[func-returns-value]
        assert told.wait(5)
        with pytest.raises(LogFull, match="make room in"):
            log.put(line(3))
    log.close()
    assert [str(fault)[:22] for fault in faults] == ["the log of requests of"]
    assert [each.request_id for each in world.stored()] == ["r-1"]


def test_neither_body_answer_nor_person_lies_in_any_file_in_the_clear(world: World) -> None:
    log = world.open()
    for number in range(50):
        log.put(line(number, subject="X4711"))
        log.put(line(number))
    log.close()
    for path in world.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(word in content for word in (BODY, ANSWER, b"X4711", b"people")), path


@pytest.mark.parametrize(
    "other",
    [{"subject": "X\ud800"}, {"subject": "X" * 20_000}, {"body": bytes(2**27)}, {"request_id": "r" * 256},
     {"request_id": "Ω"}],
)  # fmt: skip
def test_a_line_that_cannot_be_written_is_refused_before_it_is_answered_and_no_other_with_it(
    world: World, other: dict[str, Any]
) -> None:
    log = world.open()
    log.put(line(1))
    with pytest.raises(LogFull, match="the request cannot be logged"):
        log.put(line(2)._replace(**other))
    log.put(line(3, subject="Zoë\u00a0Ω"))
    log.close()
    assert [each.request_id for each in world.stored()] == ["r-1", "r-3"]
