"""Metadata is signed anew before it expires, and a new root takes the place of keys."""

from datetime import UTC, datetime, timedelta

import pytest

from fedsov.control_plane.repository.renewal import expiries, new_root, renew
from fedsov.control_plane.repository.repository import Repository
from fedsov.errors import ConfigurationError, KeyUnavailable


def test_metadata_is_signed_anew_before_it_expires(world):
    world.publish(world.signed("DE"))
    start = datetime.now(UTC)
    assert renew(world.repository) == []
    assert renew(world.at(start + timedelta(hours=13))) == ["timestamp"]
    later = start + timedelta(days=80)
    assert set(renew(world.at(later))) == {"configuration", "models", "snapshot", "targets", "timestamp"}
    reader = world.reader("DE")
    assert reader.source.poll().fresh_until > later
    assert expiries(world.repository)[0].role == "timestamp"


@pytest.mark.parametrize("replaced", [[], ["targets"], ["snapshot", "timestamp"]])
def test_a_region_follows_a_new_root_and_what_its_keys_sign(world, replaced):
    world.publish(world.signed("DE"))
    reader = world.reader("DE")
    reader.source.poll()
    new_root(world.repository, replaced=replaced)  # as a command does, beside the service that has the old keys
    listed = world.signed("DE", 2)
    world.publish(listed)
    assert reader.source.poll().content == listed.content


def test_a_root_key_that_was_lost_is_replaced_by_two_of_three(world):
    files = sorted(world.control.root_keys.iterdir())
    files[0].unlink()
    new_root(world.repository, lost=files[0].stem.removeprefix("root-"))
    assert len(list(world.control.root_keys.iterdir())) == 3
    world.reader("DE").source.poll()


def test_one_root_key_alone_makes_no_root(world):
    for path in sorted(world.control.root_keys.iterdir())[:2]:
        path.unlink()
    with pytest.raises(KeyUnavailable, match="2 of the three root keys"):
        new_root(world.repository)


def test_only_keys_of_the_repositorys_own_are_replaced(world):
    with pytest.raises(ConfigurationError, match="role with a key"):
        new_root(world.repository, replaced=["models"])
    with pytest.raises(ConfigurationError, match="root key"):
        new_root(world.repository, lost="0" * 64)


def test_a_key_that_is_gone_is_named(world):
    next(world.control.keys.glob("timestamp-*")).unlink()
    with pytest.raises(KeyUnavailable, match="timestamp key of the hub's repository"):
        Repository.open(world.database, world.control, world.hub)
