"""The secrets of a log are its region's alone, and a rotation wraps them anew without a byte of the log changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import KeyUnavailable, RequestLogBroken
from fedsov.inference.request_log.log_secrets import FILE, LogSecrets, renew, wrapped_secrets
from fedsov.inference.request_log.segments import segments_in
from fedsov.keys import KeySettings, create_keys, open_keys, rotation
from fedsov.keys.local import version_of
from fedsov.keys.protocol import KeyRetired
from tests.inference.request_log.world import World, line


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "DE")
    log = world.open()
    log.put(line(1))
    log.close()
    return world


def test_a_rotation_wraps_every_generation_by_the_newest_version_and_adds_one_once(world: World) -> None:
    before = {path: path.read_bytes() for path in segments_in(world.requests).values()}
    keys = rotation.rotate(KeySettings("DE", world.folder))
    assert [renew(world.requests, keys), renew(world.requests, keys)] == [1, 0]
    assert [version_of(each) for each in wrapped_secrets(world.requests, "DE")] == [2, 2]
    rotation.retire(KeySettings("DE", world.folder))
    assert LogSecrets.open(world.requests, world.keys).newest == 2
    assert {path: path.read_bytes() for path in before} == before
    assert [each.request_id for each in world.stored()] == ["r-1"]


def test_what_was_not_wrapped_anew_opens_no_more_once_its_version_is_retired(world: World) -> None:
    rotation.rotate(KeySettings("DE", world.folder))
    rotation.retire(KeySettings("DE", world.folder))
    with pytest.raises((KeyRetired, KeyUnavailable), match="does not open for its owner"):
        LogSecrets.open(world.requests, world.keys)


def test_another_region_s_keys_open_no_secret(world: World, tmp_path: Path) -> None:
    other = create_keys(KeySettings("FR", tmp_path / "FR"))
    with pytest.raises(RequestLogBroken, match="is of DE's log of requests"):
        LogSecrets.open(world.requests, other)
    path = world.requests / FILE
    path.write_text(path.read_text().replace('"region": "DE"', '"region": "FR"'))
    with pytest.raises(KeyUnavailable, match="does not open for its owner"):
        LogSecrets.open(world.requests, other)
    assert open_keys(KeySettings("FR", tmp_path / "FR")).region == "FR"


@pytest.mark.parametrize("content", ["", "{}", '{"format": "x", "region": "DE", "secrets": {}}', "[1]"])
def test_a_file_that_is_none_is_named_with_its_mend(world: World, content: str) -> None:
    (world.requests / FILE).write_text(content)
    with pytest.raises(RequestLogBroken, match="restore it from a backup|put its own there"):
        LogSecrets.open(world.requests, world.keys)


def test_two_workers_that_begin_a_log_together_have_one_secret(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, second = world.open(), world.open()
    for number, log in enumerate((first, second)):
        log.put(line(number, subject="X1"))
        log.close()
    assert {each.request_id for each in world.stored()} == {"r-0", "r-1"}
    assert len({each.key for each in world.stored()}) == 1, "and one key for each person"
