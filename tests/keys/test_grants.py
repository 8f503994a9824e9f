"""Principals' keys by every key service: each opens its part of a region's store, with its own credential alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
import requests

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys import BACKENDS, KeyService, KeySettings, RegionKeys, create_keys, open_keys, sealing
from fedsov.keys.grants import grant, granted, renew, retire, revoke
from fedsov.keys.local import LocalKeyring
from fedsov.keys.principals import PRINCIPALS
from fedsov.keys.protocol import KeyRetired
from fedsov.keys.rotation import retire as retire_owner
from fedsov.keys.rotation import rotate
from fedsov.partition.lifecycle.rekeying import rekey
from fedsov.partition.store import Store, write_store
from tests.keys.servers import AWS_REGIONS, Servers, private_file
from tests.partition.test_store import as_older, contents, rows

SPLIT = "split of rows"
OFF = "inf"


@dataclass(frozen=True)
class World:
    """A region with a store of three rows, whose keyring and whose principals' a service protects."""

    owner: KeySettings
    servers: Servers
    key: str

    @property
    def store(self) -> Path:
        return self.owner.folder / "store" / "people"

    @property
    def backend(self) -> str:
        return self.owner.service.backend if self.owner.service else "local"

    def credential(self, principal: str) -> Path:
        """The file of a principal's credential; of the owner's where `principal` is "EU"."""
        return self.owner.folder.parent / "credentials" / f"{principal}.secret"

    def service(self, principal: str) -> KeyService:
        """A service with a key and a credential of the principal's own, which may decrypt and nothing else."""
        file, name = self.credential(principal), f"{self.key}-{principal}"
        if self.backend == "passphrase":
            return KeyService("passphrase", credential_file=private_file(file, f"the passphrase of {principal}"))
        if self.backend == "openbao":
            policy = f'path "transit/decrypt/{name}" {{ capabilities = ["update"] }}'
            token = self.servers.baos["EU"].token(policy, name)
            url = self.servers.baos["EU"].url
            return KeyService("openbao", url=url, key=name, credential_file=private_file(file, token))
        if self.backend == "aws_kms":
            return replace(self.owner.service or KeyService(), key=f"alias/{name}", profile=principal)
        return KeyService()

    def granted(self, principal: str) -> KeySettings:
        """Grants a principal its keys; where they are."""
        return replace(self.owner, service=grant(self.owner, principal, self.service(principal)), principal=principal)

    def open(self, principal: str) -> RegionKeys:
        return open_keys(self.granted(principal))


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> World:
    key, backend = f"test-{uuid4().hex}", str(request.param)
    owner = KeySettings("EU", tmp_path / "EU", servers.service(backend, "EU", key, tmp_path / "credentials"))
    profiles = "".join(f"[{name}]\naws_access_key_id=test\naws_secret_access_key=test\n" for name in PRINCIPALS)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", private_file(tmp_path / "aws", profiles))
    made = World(owner, servers, key)
    write_store(made.store, rows(), contents=contents(), keys=create_keys(owner))
    return made


def test_a_trainer_reads_rows_and_no_identifier_and_names_nobody(world: World) -> None:
    owner, trainer = open_keys(world.owner), world.open("trainer")
    store = Store.open(world.store, trainer)
    assert len(store.read()) == 3 and trainer.principal == "trainer"
    with pytest.raises(KeyUnavailable, match="the trainer of EU does not have the key of identifiers"):
        store.identifiers()
    with pytest.raises(KeyUnavailable, match="the trainer of EU does not have the key of pseudonyms"):
        trainer.pseudonyms(["Jane Canary"])
    assert trainer.unwrap(owner.wrap(b"secret", SPLIT), SPLIT) == b"secret"
    assert trainer.open_sealed(sealing.seal(owner.public.sealing, b"rows", "EU"), "EU") == b"rows"
    with pytest.raises(KeyUnavailable, match="does not have the key of quarantine"):
        trainer.unwrap(owner.wrap(b"secret", "quarantine@people/records"), "quarantine@people/records")


def test_an_endpoint_reads_rows_alone_and_an_auditor_none(world: World) -> None:
    owner = open_keys(world.owner)
    endpoint, auditor = world.open("endpoint"), world.open("auditor")
    assert len(Store.open(world.store, endpoint).read()) == 3
    manifest = Store.open(world.store, auditor).manifest
    assert manifest.rows == 3
    with pytest.raises(KeyUnavailable, match="the auditor of EU does not have the key of records"):
        Store.open(world.store, auditor).read()
    sealed = sealing.seal(owner.public.sealing, b"rows", "EU")
    for keys in (endpoint, auditor):
        for asked in (lambda keys=keys: keys.unwrap(owner.wrap(b"secret", SPLIT), SPLIT),
                      lambda keys=keys: keys.open_sealed(sealed, "EU"),
                      lambda keys=keys: Store.open(world.store, keys).identifiers()):  # fmt: skip
            with pytest.raises(KeyUnavailable, match=f"the {keys.principal} of EU does not have"):
                asked()


def test_an_erasure_officer_finds_a_person_everywhere(world: World) -> None:
    owner, officer = open_keys(world.owner), world.open("erasure_officer")
    store = Store.open(world.store, officer)
    assert len(store.read()) == 3 and "Jane Canary" in store.identifiers()["name"].tolist()
    assert officer.pseudonyms(["Jane Canary"]) == owner.pseudonyms(["Jane Canary"])
    assert owner.unwrap(officer.wrap(b"file key", "people/identifiers"), "people/identifiers") == b"file key"


def test_the_credential_of_one_principal_opens_no_other_keyring(world: World) -> None:
    """For AWS KMS see the test of roles below: moto asks for no credential unless it is told to."""
    for principal in ("trainer", "endpoint"):
        world.granted(principal)
    trainer, endpoint = (KeySettings("EU", world.owner.folder, None, name) for name in ("trainer", "endpoint"))
    if world.backend in ("passphrase", "openbao"):
        secrets = {name: world.credential(name).read_text() for name in ("trainer", "endpoint")}
        world.credential("trainer").write_text(secrets["endpoint"])
        told = "passphrase does not open" if world.backend == "passphrase" else "may not decrypt"
        with pytest.raises(KeyUnavailable, match=told):
            open_keys(trainer)
        owners = Path(world.owner.service.credential_file if world.owner.service else "")
        owners.write_text(secrets["trainer"])
        with pytest.raises(KeyUnavailable, match=told):
            open_keys(world.owner)
    shutil.copy(endpoint.path, trainer.path)
    with pytest.raises(KeyUnavailable, match="the keyring of the endpoint of EU, not of the trainer"):
        open_keys(trainer)
    body = json.loads(trainer.path.read_bytes()) | {"principal": "trainer"}
    trainer.path.write_text(json.dumps(body))
    with pytest.raises(KeyUnavailable):
        open_keys(trainer)


def test_a_key_file_that_other_users_can_read_is_refused(world: World) -> None:
    place = world.granted("trainer")
    assert place.path.stat().st_mode & 0o777 == 0o600
    place.path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="open to other users"):
        open_keys(place)


def test_two_principals_do_not_share_a_credential(world: World) -> None:
    world.granted("trainer")
    if world.backend == "local":
        world.granted("endpoint")  # each has a file of its own
        return
    with pytest.raises(ConfigurationError, match="the endpoint of EU needs a credential of its own, .* its trainer"):
        grant(world.owner, "endpoint", world.service("trainer"))
    with pytest.raises(ConfigurationError, match="the endpoint of EU needs a credential of its own, .* its owner"):
        grant(world.owner, "endpoint", world.owner.service or KeyService())


def test_a_new_version_of_the_region_s_key_is_granted_anew_and_an_old_one_ends(world: World, tmp_path: Path) -> None:
    place = world.granted("trainer")
    backup = replace(place, folder=tmp_path / "backup")
    backup.folder.mkdir()
    shutil.copy(place.path, backup.path)
    before = open_keys(world.owner).wrap(b"file key", "people/records")
    rekey([world.store], rotate(world.owner))
    with pytest.raises(KeyRetired, match="version 2 of key"):
        Store.open(world.store, open_keys(place))
    renew(world.owner, "trainer")
    trainer = open_keys(place)
    assert len(Store.open(world.store, trainer).read()) == 3 and trainer.unwrap(before, "people/records") == b"file key"
    retire_owner(world.owner)
    lines = retire(world.owner, "trainer")
    with pytest.raises(KeyRetired, match="version 1 of key"):
        open_keys(place).unwrap(before, "people/records")
    assert len(Store.open(world.store, open_keys(place)).read()) == 3
    if world.backend == "openbao":
        with pytest.raises(KeyUnavailable, match="does not decrypt"):
            open_keys(backup)
    else:
        told = "decrypts nothing" if world.backend == "aws_kms" else "copies of the former keyring-trainer.json"
        assert all(line.startswith("trainer: ") and told in line for line in lines) and lines


def test_a_revoked_keyring_is_gone_and_what_is_left_to_do_is_said(world: World) -> None:
    place = world.granted("auditor")
    assert granted(world.owner) == ("auditor",)
    assert "take that credential away" in revoke(world.owner, "auditor")[0] and granted(world.owner) == ()
    with pytest.raises(KeyUnavailable, match="has no keyring at"):
        open_keys(place)
    with pytest.raises(ConfigurationError, match="unknown principal 'trainr'; did you mean trainer"):
        grant(world.owner, "trainr", KeyService())


@contextmanager
def _policies_enforced(address: str) -> Iterator[None]:
    """moto asks whose credentials these are, and what their role's policy allows."""
    requests.post(f"{address}/moto-api/reset-auth", data="0", timeout=9)
    try:
        yield
    finally:
        requests.post(f"{address}/moto-api/reset-auth", data=OFF, timeout=9)


def _assumed(world: World, principal: str, action: str) -> str:
    """A profile of AWS's configuration: the credentials of a role that may do one thing."""
    places = {"region_name": AWS_REGIONS["EU"], "endpoint_url": world.servers.aws}
    iam, role = boto3.client("iam", **places), f"{world.key}-{principal}"  # type: ignore[call-overload]
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=json.dumps(allowed))
    sts = boto3.client("sts", **places)  # type: ignore[call-overload]
    its = sts.assume_role(RoleArn=arn, RoleSessionName=principal)["Credentials"]
    return (
        f"[{principal}]\naws_access_key_id={its['AccessKeyId']}\naws_secret_access_key={its['SecretAccessKey']}\n"
        f"aws_session_token={its['SessionToken']}\n"
    )


@pytest.mark.parametrize("world", ["aws_kms"], indirect=True)
def test_a_role_of_aws_opens_its_keyring_and_one_that_may_not_decrypt_opens_none(world: World, tmp_path: Path) -> None:
    """moto knows actions of policies and no resources: that a role decrypts by one key alone is AWS's to enforce."""
    trainer, auditor = world.granted("trainer"), world.granted("auditor")
    profiles = _assumed(world, "trainer", "kms:Decrypt") + _assumed(world, "auditor", "kms:DescribeKey")
    private_file(tmp_path / "aws", profiles)
    with _policies_enforced(world.servers.aws):
        assert len(Store.open(world.store, open_keys(trainer)).read()) == 3
        for refused in (auditor, world.owner):  # a role without the action; credentials that are nobody's
            with pytest.raises(KeyUnavailable):
                open_keys(refused)


@pytest.fixture
def owner(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "keyring.json", "EU")


def test_what_was_wrapped_before_there_were_principals_opens_for_the_owner_alone(
    owner: LocalKeyring, tmp_path: Path
) -> None:
    """As it was written then: by the key itself, the version after the first with a mark."""
    place, context = KeySettings("EU", tmp_path), "people/records"
    grant(place, "trainer", KeyService())
    second = rotate(place)
    renew(place, "trainer")
    keys = {number: second._wrapping[number] for number in (1, 2)}
    bound = [json.dumps(["EU", owner.key_id, context, *more]).encode() for more in ([], [2])]
    wrapped = [
        sealing.encrypted(keys[1], b"file key", bound[0]),
        b"fedsov k" + (2).to_bytes(4, "big") + sealing.encrypted(keys[2], b"file key", bound[1]),
    ]
    trainer = open_keys(replace(place, principal="trainer"))
    for each in wrapped:
        assert open_keys(place).unwrap(each, context) == b"file key"
        with pytest.raises(KeyUnavailable, match="the trainer of EU does not have the whole key, .*fedsov keys rotate"):
            trainer.unwrap(each, context)


def test_no_principal_reads_what_another_opened_through_arrow_s_cache(owner: LocalKeyring, tmp_path: Path) -> None:
    write_store(tmp_path / "people", rows(), contents=contents(), keys=owner)
    as_older(tmp_path / "people", owner)
    place, store = KeySettings("EU", tmp_path), Store.open(tmp_path / "people", owner)
    for principal in ("trainer", "auditor"):
        grant(place, principal, KeyService())
    trainer, auditor = (open_keys(replace(place, principal=name)) for name in ("trainer", "auditor"))
    assert len(store.read()) == len(replace(store, keys=trainer).read()) == 3
    with pytest.raises(KeyUnavailable, match="the auditor of EU does not have the key of records"):
        replace(store, keys=auditor).read()
