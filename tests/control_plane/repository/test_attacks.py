"""What a hub, a database or anybody between may try on a region that reads the repository: nothing is taken.

Each attack begins where a region has a list; after it, the region says what is wrong, and an honest hub is read again.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update
from tuf.api.metadata import DelegatedRole, Metadata, Root, Targets

from fedsov.control_plane.repository import metadata as steps
from fedsov.control_plane.repository import tables
from fedsov.control_plane.repository.metadata import SignedList
from fedsov.control_plane.repository.renewal import new_root
from fedsov.control_plane.repository.signing_keys import public_key
from fedsov.errors import ApprovalRefused, RepositoryRefused
from fedsov.ledger.signed_head import Signer
from fedsov.protocol.role_drafts import written_draft

MODEL = "models/salaries/1/model.safetensors"


@pytest.fixture
def reader(world):
    """A region that has the first list."""
    world.publish(world.signed("DE"), files={MODEL: b"x" * 3000}, readers=["DE"])
    reads = world.reader("DE")
    reads.source.poll()
    return reads


def changed(path_part, alter):
    """What a proxy does to files whose path has this part."""
    return lambda path, content: alter(content) if path_part in path and content is not None else content


def refused(reader, match, act=None):
    """Whether what the region is handed is refused, with these words; twice, so that it does not get through later."""
    for _ in range(2):
        with pytest.raises(RepositoryRefused, match=match):
            (act or reader.source.poll)()
    reader.altered = None
    return True


@pytest.mark.parametrize("part", ["timestamp.json", "snapshot.json", "DE.json", "approved.json"])
def test_a_changed_byte_is_refused(world, reader, part):
    world.publish(world.signed("DE", 2))
    reader.altered = changed(part, lambda content: content.replace(b"20", b"21", 1))
    assert refused(reader, "not what was signed|lacks a file|older metadata")
    assert reader.source.poll().version == 2


def test_a_changed_byte_of_a_model_is_refused(reader):
    reader.altered = changed("model.safetensors", lambda content: b"y" + content[1:])
    assert refused(reader, "not what was signed", lambda: reader.source.file(MODEL))
    assert len(reader.source.file(MODEL)) == 3000


def test_a_timestamp_that_is_put_back_is_refused(world, reader):
    old = world.repository.fetch("timestamp.json", region="DE")
    world.publish(world.signed("DE", 2))
    reader.source.poll()
    reader.altered = changed("timestamp.json", lambda _: old)
    assert refused(reader, "older metadata than DE has")


def test_a_database_that_is_put_back_is_refused_until_a_new_root_is_signed(world, reader):
    with world.database.reading() as connection:
        saved = list(connection.execute(tables.ROLES.select()))
    world.publish(world.signed("DE", 2))
    reader.source.poll()
    with world.database.changing() as connection:
        connection.execute(delete(tables.ROLES))
        connection.execute(tables.ROLES.insert(), [row._asdict() for row in saved])
    assert refused(reader, "put back from a backup")
    new_root(world.repository, replaced=["snapshot", "timestamp"])
    listed = world.signed("DE", 3)
    world.publish(listed)
    assert reader.source.poll().content == listed.content


def test_an_older_list_under_a_newer_snapshot_is_refused(world, reader):
    """Mix and match: the number of the old role under the newest snapshot."""
    world.publish(world.signed("DE", 2))
    with world.database.reading() as connection:
        old = tables.of_version(connection, "DE", 1)
    reader.altered = changed("2.DE.json", lambda _: old)
    assert refused(reader, "not what was signed|older metadata")


def test_an_old_snapshot_under_a_new_timestamp_is_refused(world, reader):
    with world.database.reading() as connection:
        old = tables.newest(connection, "snapshot")
    world.publish(world.signed("DE", 2))
    reader.altered = changed("snapshot.json", lambda _: old)
    assert refused(reader, "not what was signed")


def test_a_hub_that_is_frozen_gives_nothing_new_and_the_region_says_since_when(world, reader):
    later = datetime.now(UTC) + timedelta(days=2)
    source = reader.opened(now=lambda: later)
    fresh_until = source.poll().fresh_until
    with pytest.raises(RepositoryRefused, match=f"last until {fresh_until:%Y-%m-%d %H:%M:%S} UTC. It goes on serving"):
        source.poll()


def test_a_timestamp_that_has_expired_is_refused_and_says_since_when(world, reader):
    past = datetime.now(UTC) - timedelta(days=2)
    world.publish(world.signed("DE", 2), repository=world.at(past))
    fresh_until = Metadata.from_file(str(reader.folder.metadata / "timestamp.json")).signed.expires
    assert refused(reader, f"last until {fresh_until:%Y-%m-%d %H:%M:%S} UTC")
    assert reader.opened().last_fresh == fresh_until, "also an agent that was begun since knows it"


def test_an_expired_root_is_refused(world):
    world.repository = world.at(datetime.now(UTC) - timedelta(days=400))
    new_root(world.repository)
    assert refused(world.reader("DE"), "expired")


def test_a_root_that_others_signed_is_not_followed(world, reader):
    thieves = [Signer.made(world.folder / f"thief-{number}.key") for number in range(2)]
    root = Metadata[Root].from_bytes(world.repository.root()).signed
    root.version += 1
    for thief in thieves:
        root.add_key(public_key(thief.public), "root")
    forged = steps.signed(root, [Holder(thief) for thief in thieves])
    world.publish(world.signed("DE", 2))
    reader.altered = lambda path, content: forged if path == "2.root.json" else content
    assert refused(reader, "not what was signed")


def test_another_hubs_repository_is_not_read(world, tmp_path, reader):
    other = type(world)(tmp_path / "other")
    other.publish(other.signed("DE"))
    mine, world.repository = world.repository, other.repository
    assert refused(reader, "not what was signed")
    world.repository = mine
    assert reader.source.poll().version == 1
    other.close()


def test_one_signature_of_two_is_not_enough_at_the_hub_nor_in_the_region(world, reader):
    whole = world.signed("DE", 2)
    plain = json.loads(whole.metadata)
    for signature in plain["signatures"]:
        half = SignedList("DE", whole.content, json.dumps({**plain, "signatures": [signature]}).encode())
        with pytest.raises(ApprovalRefused, match="not signed by"):
            world.publish(half)
        smuggle(world, half)
        assert refused(reader, "not what was signed")
        forget(world)


def test_a_role_that_another_regions_approver_signed_is_refused(world, reader):
    content = world.approved("DE", 2)
    draft = written_draft("DE", content, version=2, expires=datetime.now(UTC) + timedelta(days=9))
    with pytest.raises(ApprovalRefused, match="not signed by DE"):
        world.repository.complete("DE", content, draft, world.ledgers["US"].sign(draft))
    keys = {world.hub.key: world.hub.sign(draft), world.ledgers["US"].key: world.ledgers["US"].sign(draft)}
    smuggle(world, SignedList("DE", content, steps.with_signatures(draft, keys)))
    assert refused(reader, "not what was signed")


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda targets, hub, thief: replaced_role(targets, threshold=1),
        lambda targets, hub, thief: replaced_role(targets, keys=[hub, thief]),
        lambda targets, hub, thief: replaced_role(targets, keys=[hub, thief], threshold=1),
        lambda targets, hub, thief: twice_named(targets, hub),
        lambda targets, hub, thief: a_key_that_is_not_there(targets, hub),
        lambda targets, hub, thief: targets.targets.update({"DE/approved.json": steps.target("DE/approved.json", b"")}),
        lambda targets, hub, thief: targets.delegations.roles.pop("DE"),
        lambda targets, hub, thief: before_all(targets, hub),
        lambda targets, hub, thief: targets.delegations.roles["DE"].paths.append("DE/*"),
    ],
    ids=[
        "threshold",
        "key",
        "key-alone",
        "one-key-twice",
        "key-not-there",
        "target-itself",
        "no-role",
        "role-before",
        "further-path",
    ],
)
def test_a_hub_that_rewrites_who_may_sign_gains_nothing(world, reader, rewrite):
    thief = Signer.made(world.folder / "thief.key")
    with world.database.changing() as connection:
        chain = world.repository.chain(connection)
        targets = chain.targets()
        rewrite(targets, world.hub.key, thief.public)
        chain.snapshot({"targets": chain.sign_anew("targets", targets)})
    assert refused(reader, "together")


def test_a_hub_that_leaves_its_own_roles_to_another_key_is_refused(world, reader):
    thief = public_key(Signer.made(world.folder / "thief.key").public)
    with world.database.changing() as connection:
        chain = world.repository.chain(connection)
        targets = chain.targets()
        targets.delegations.keys[thief.keyid] = thief
        targets.delegations.roles["configuration"].keyids = [thief.keyid]
        chain.snapshot({"targets": chain.sign_anew("targets", targets)})
    assert refused(reader, "configuration to another key")


def test_metadata_that_is_larger_than_it_may_be_is_refused(reader):
    reader.altered = changed("timestamp.json", lambda content: content + b" " * 20_000)
    assert refused(reader, "more than was signed")


def test_data_without_end_is_refused(world, reader):
    world.publish(world.signed("DE", 2))

    def endless(content):
        while True:
            yield b" " * 65536

    for part in ("timestamp.json", "snapshot.json", "DE.json", "approved.json"):
        reader.altered = changed(part, endless)
        assert refused(reader, "more than was signed")


def test_a_region_is_handed_no_file_or_role_of_another(world, reader):
    world.publish(world.signed("US"))
    assert world.repository.fetch("1.US.json", region="US") is not None
    for path in ("1.US.json", f"US/{steps.sha256_hex(world.approved('US'))}.approved.json"):
        assert world.repository.fetch(path, region="DE") is None
    digest = steps.sha256_hex(b"x" * 3000)
    assert world.repository.fetch(f"models/salaries/1/{digest}.model.safetensors", region="US") is None


@pytest.mark.parametrize(
    "path", ["", "../control.sqlite", "/etc/passwd", "1.root.json/..", "0.root.json", "1.DE.json\n"]
)
def test_a_path_outside_is_answered_with_nothing(world, path):
    assert world.repository.fetch(path, region="DE") is None


def test_a_target_outside_its_path_is_not_taken(world, reader):
    """A list of US, which hub and US signed, in the place of DE's."""
    us = world.signed("US")
    foreign = Metadata[Targets].from_bytes(us.metadata)
    foreign.signed.version = 2
    keys = {holder.key: holder.sign(foreign.signed_bytes) for holder in (world.hub, world.ledgers["DE"])}
    smuggle(world, SignedList("DE", us.content, steps.with_signatures(foreign.signed_bytes, keys)))
    assert refused(reader, "nobody published DE/approved.json")


def test_a_proposal_of_settings_that_is_put_back_is_refused(world, reader):
    path = "configuration/DE.json"
    for number in (1, 2):
        world.publish(files={path: b'{"number": %d}' % number}, readers=["DE"])
        reader.source.poll()
    with world.database.reading() as connection:
        old, newest = (tables.of_version(connection, "configuration", number) for number in (2, 3))
    assert old != newest
    other = world.reader("DE", "another")
    other.altered = changed("3.configuration.json", lambda _: old)
    assert refused(other, "not what was signed|older metadata", lambda: other.source.file(path))


def test_who_writes_the_database_has_nothing_signed(world, reader):
    """Of metadata whose signature does not hold any more, no next version is signed."""
    with world.database.changing() as connection:
        forged = world.repository.chain(connection).stored("targets").replace(b'"DE"', b'"XX"')
        connection.execute(update(tables.ROLES).where(tables.ROLES.c.role == "targets").values(content=forged))
    with pytest.raises(ApprovalRefused, match="signatures that it must have"), world.database.changing() as connection:
        world.repository.enroll(connection, "FR", "00" * 32)


class Holder:
    """A key as the repository signs with it."""

    def __init__(self, signer):
        self.key, self._private = signer.public, signer.private

    def sign(self, message):
        return self._private.sign(message)


def smuggle(world, listed):
    """What a hub does that publishes without a check."""
    with world.database.changing() as connection:
        chain = world.repository.chain(connection)
        chain.add_signed(listed.region, 2, listed.metadata)
        world.repository._store(connection, listed.content, [listed.region])
        chain.snapshot({listed.region: 2})


def forget(world):
    """Takes what was smuggled away."""
    with world.database.changing() as connection:
        connection.execute(delete(tables.ROLES).where(tables.ROLES.c.role == "DE", tables.ROLES.c.version == 2))


def replaced_role(targets, *, keys=None, threshold=2):
    role = targets.delegations.roles["DE"]
    role.threshold = threshold
    if keys is not None:
        several = [public_key(key) for key in keys]
        targets.delegations.keys |= {key.keyid: key for key in several}
        role.keyids = [key.keyid for key in several]


def twice_named(targets, hub):
    """The hub's key under two names, for a threshold of two."""
    key = public_key(hub)
    again = type(key)("ab" * 32, key.keytype, key.scheme, key.keyval)
    targets.delegations.keys |= {key.keyid: key, again.keyid: again}
    targets.delegations.roles["DE"].keyids = [key.keyid, again.keyid]


def a_key_that_is_not_there(targets, hub):
    """A key is named for the region's role that nobody has."""
    targets.delegations.roles["DE"].keyids.append("cd" * 32)


def before_all(targets, hub):
    """A role of the hub's alone that is asked first."""
    key = public_key(hub)
    own = DelegatedRole("AA", [key.keyid], 1, True, ["DE/*"])
    targets.delegations.roles = {"AA": own, **targets.delegations.roles}
