"""A verification names every byte that was changed and every batch and segment that is missing, and nothing else."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from fedsov.inference.request_log.head_notes import NotedHeads
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.segments import Batch, SegmentName, read_header, segments_in, walk
from fedsov.inference.request_log.verification import Verified, verify
from tests.inference.request_log.world import World, line


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two segments of three batches each, all of them noted."""
    world = World(tmp_path_factory.mktemp("DE"))
    write_segment(world)
    write_segment(world)
    return world


def write_segment(world: World) -> None:
    log = world.open()
    for number in range(3):
        log.put(line(number, subject="X4711" if number % 2 else ""))
        while log.state.lines <= number:
            time.sleep(0.001)
    log.close()


@pytest.fixture
def world(written: World, tmp_path: Path) -> World:
    """A copy that a test may change."""
    copy = World(tmp_path / "DE", list(written.notes))
    shutil.copytree(written.folder, copy.folder)
    return copy


def checked(world: World, *, with_key: bool = True, with_ledger: bool = True) -> Verified:
    notes = (note["request_log"] for note in world.notes)
    noted = NotedHeads.of(notes, erasures=0) if with_ledger else NotedHeads()
    return verify(world.requests, noted, LogSecrets.open(world.requests, world.keys) if with_key else None)


def batches(path: Path) -> list[Batch]:
    content = path.read_bytes()
    return [batch for batch in walk(content, *read_header(content)[1:]) if isinstance(batch, Batch)]


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("with_ledger", [True, False])
def test_a_whole_log_has_no_fault(world: World, with_key: bool, with_ledger: bool) -> None:
    verified = checked(world, with_key=with_key, with_ledger=with_ledger)
    assert (verified.faults, verified.lines, verified.batches, verified.segments) == ((), 6, 6, 2)
    assert bool(verified.remarks) != with_ledger


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("bit", [1, 128])
def test_every_changed_byte_is_named_with_its_segment_and_batch(world: World, with_key: bool, bit: int) -> None:
    for name, path in segments_in(world.requests).items():
        content, own = path.read_bytes(), batches(path)
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
            faults = checked(world, with_key=with_key, with_ledger=False).faults
            number = next((batch.number for batch in own if batch.start <= at < batch.end), None)
            what = f"{name}: its header" if number is None else f"batch {number}"
            assert any(str(name) in fault and what in fault for fault in faults), (name, at, faults)
            assert len(faults) <= 2, faults
        path.write_bytes(content)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_batch_is_named(world: World, number: int) -> None:
    path = segments_in(world.requests)[SegmentName(0, 1)]
    content, gone = path.read_bytes(), batches(path)[number - 1]
    path.write_bytes(content[: gone.start] + content[gone.end :])
    faults = checked(world).faults
    assert "segment 1 of worker 0" in faults[0]
    assert (f"batch {number} is missing" if number < 3 else "ends after batch 2, and the ledger notes 3") in faults[0]


@pytest.mark.parametrize("with_key", [True, False])
def test_swapped_and_repeated_batches_are_named(world: World, with_key: bool) -> None:
    path = segments_in(world.requests)[SegmentName(0, 2)]
    content, (first, second, third) = path.read_bytes(), batches(path)
    parts = [content[batch.start : batch.end] for batch in (first, second, third)]
    for order in ([1, 0, 2], [0, 0, 1, 2], [0, 1, 2, 2], [2, 1, 0]):
        path.write_bytes(content[: first.start] + b"".join(parts[place] for place in order))
        assert "segment 2 of worker 0" in checked(world, with_key=with_key, with_ledger=False).faults[0]


def test_a_missing_segment_is_named_the_last_by_the_ledger_alone(world: World) -> None:
    first, last = segments_in(world.requests).values()
    kept = last.read_bytes()
    last.unlink()
    assert not checked(world, with_ledger=False).faults
    assert (
        "segment 2 of worker 0 (000-00000002.segment) is missing, and the ledger notes it" in checked(world).faults[0]
    )
    last.write_bytes(kept)
    first.unlink()
    assert "segment 1 of worker 0 (000-00000001.segment) is missing" in checked(world, with_ledger=False).faults[0]


def test_segments_in_each_others_place_are_named(world: World) -> None:
    first, last = segments_in(world.requests).values()
    kept = first.read_bytes()
    first.write_bytes(last.read_bytes())
    last.write_bytes(kept)
    assert len(checked(world, with_ledger=False).faults) == 2


def test_a_log_that_somebody_without_the_key_wrote_anew_is_found_by_its_batches_and_by_the_ledger(world: World) -> None:
    forged = World(world.folder.parent / "forged")
    write_segment(forged)
    for path in segments_in(world.requests).values():
        path.unlink()
    shutil.copy(next(iter(segments_in(forged.requests).values())), world.requests)
    assert "it was not written with the log's key" in checked(world, with_ledger=False).faults[0]
    assert "it differs from what the ledger notes" in " ".join(checked(world, with_key=False).faults)


def test_a_persons_key_that_was_deleted_without_an_erasure_is_a_fault(world: World) -> None:
    (world.requests / "subjects.sqlite").unlink()
    (fault,) = checked(world).faults
    assert "the keys of 1 person are gone and the ledger notes 0 erasures" in fault
