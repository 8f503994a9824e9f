"""The repository at the hub: what both signed is handed out whole, to whom it is for, and nothing else is."""

import pytest

from fedsov.control_plane.repository.repository import IN_DATABASE
from fedsov.errors import ApprovalRefused, ConfigurationError, RepositoryRefused
from fedsov.protocol.role_drafts import draft_version
from fedsov.storage.atomic_files import sha256_hex


def test_a_region_gets_the_list_that_hub_and_region_signed(world):
    reader = world.reader("DE")
    assert reader.source.poll().version == 0
    listed = world.signed("DE")
    world.publish(listed)
    polled = reader.source.poll()
    assert (polled.content, polled.version) == (listed.content, 1)


@pytest.mark.parametrize("size", [0, 20_000, IN_DATABASE + 1])
def test_a_file_of_a_model_goes_to_the_regions_that_may_have_it(world, size):
    path, content = "models/salaries/1/model.safetensors", b"x" * size
    world.publish(files={path: content}, readers=["DE"])
    assert world.reader("DE").source.file(path) == content
    with pytest.raises(Exception, match="lacks a file"):
        world.reader("US").source.file(path)


def test_a_list_that_was_seen_while_other_files_were_read_waits_for_who_takes_it(world):
    reader = world.reader("DE")
    reader.source.poll()
    listed = world.signed("DE")
    world.publish(listed)
    assert reader.source.refresh().content is None
    assert reader.source.refresh().version == 1
    assert reader.source.poll().content == listed.content
    assert reader.source.poll().content is None


def test_a_file_is_fetched_by_the_digest_that_the_list_tells(world):
    path, content = "models/salaries/1/model.onnx", b"x" * 3000
    world.publish(files={path: content}, readers=["DE"])
    source, digest = world.reader("DE").source, sha256_hex(content)
    assert source.approved_file(path, digest, most=3000) == content
    with pytest.raises(RepositoryRefused, match="more than was signed"):
        source.approved_file(path, digest, most=2999)
    with pytest.raises(RepositoryRefused, match="lacks a file"):
        source.approved_file(path, sha256_hex(b""), most=3000)
    reader = world.reader("DE", "tampered")
    reader.altered = lambda _, whole: whole and b"y" + whole[1:]
    with pytest.raises(RepositoryRefused, match="not the file that was approved"):
        reader.source.approved_file(path, digest, most=3000)


def test_a_retired_file_is_published_no_more_and_its_bytes_are_gone(world):
    kept, retired = "models/salaries/1/model.onnx", "models/salaries/2/model.onnx"
    world.publish(files={kept: b"same", retired: b"same", "models/salaries/2/model.json": b"other"}, readers=["DE"])
    world.publish(retired=[retired, "models/salaries/2/model.json"])
    reader = world.reader("DE")
    assert reader.source.file(kept) == b"same", "another path has the same content"
    assert not any(map(reader.source.is_published, (retired, "models/salaries/2/model.json")))
    assert world.repository.fetch(f"models/salaries/2/{sha256_hex(b'other')}.model.json", region="DE") is None


def test_a_further_region_may_fetch_once_its_crossing_is_permitted(world):
    path = "models/salaries/1/model.onnx"
    world.publish(files={path: b"x"}, readers=["DE"])
    with world.database.changing() as connection:
        world.repository.allow(connection, [path], ["US"])
        with pytest.raises(ConfigurationError, match="is not published"):
            world.repository.allow(connection, ["models/salaries/9/model.onnx"], ["US"])
    assert world.reader("US").source.file(path) == b"x"


@pytest.mark.parametrize(
    "path", ["DE/approved.json", "models/a/1/b/c", "models/../1/x", "models/a/0/x", "configuration/a b.json", "x"]
)
def test_a_path_that_no_role_of_the_hub_stands_for_is_not_published(world, path):
    with pytest.raises(ConfigurationError, match="cannot be published"):
        world.publish(files={path: b"x"})


@pytest.mark.parametrize("name", ["targets", "models", "models-0a", "configuration", "root"])
def test_a_region_cannot_have_the_name_of_a_role(world, name):
    with pytest.raises(ConfigurationError, match="cannot be called"), world.database.changing() as connection:
        world.repository.enroll(connection, name, "00" * 32)


def test_a_region_that_comes_with_another_key_is_refused_unless_it_is_replaced(world):
    with world.database.changing() as connection:
        with pytest.raises(ApprovalRefused, match="known by the ledger key"):
            world.repository.enroll(connection, "DE", world.ledgers["US"].key)
        world.repository.enroll(connection, "DE", world.ledgers["DE"].key)
        world.repository.enroll(connection, "DE", "ab" * 32, replaces=True)
    assert world.repository.enrolled()["DE"] == "ab" * 32


def test_each_draft_is_newer_than_every_draft_and_than_what_the_region_has(world):
    with world.database.changing() as connection:
        drafts = [world.repository.draft(connection, "DE", b"x", after=after) for after in (0, 0, 7, 3)]
        with pytest.raises(ConfigurationError, match="has no role"):
            world.repository.draft(connection, "FR", b"x")
    assert [draft_version(draft) for draft in drafts] == [1, 2, 8, 9]


def test_what_raises_in_the_transaction_publishes_nothing(world):
    listed, reader = world.signed("DE"), world.reader("DE")

    def fail():
        with world.database.changing() as connection:
            world.repository.publish(connection, lists=[listed])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert reader.source.poll().version == 0
