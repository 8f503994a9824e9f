"""After a keyring has moved to another service, `retire` ends what protected it before, or says what a person must."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from fedsov.errors import KeyUnavailable
from fedsov.keys import KeyService, create_keys, open_keys
from fedsov.keys.keyring_file import Former
from fedsov.keys.protocol import KEYRING, KeySettings
from fedsov.keys.rotation import retire, rotate, state_of
from tests.keys.servers import AWS_REGIONS, TRAINER, Servers

SECRET, CONTEXT = b"the key of one file, 32 bytes ..", "people/records"
COPIES = "copies of the former keyring.json{} still open old backups: destroy those copies too"


@dataclass(frozen=True, slots=True)
class Moved:
    """A region's keyring, a backup from before it moved, and what the first version wrapped."""

    place: KeySettings
    backup: KeySettings
    wrapped: bytes

    @staticmethod
    def between(folder: Path, *services: KeyService) -> Moved:
        """Made under the first service, then protected by each of the others in turn."""
        place, backup = KeySettings("EU", folder / "EU", services[0]), KeySettings("EU", folder / "backup")
        wrapped = create_keys(place).wrap(SECRET, CONTEXT)
        shutil.copytree(place.folder, backup.folder)
        for service in services[1:]:
            rotate(replace(place, service=None), service)
        return Moved(replace(place, service=services[-1]), backup, wrapped)

    def opens(self) -> bool:
        """Whether the backup does."""
        return open_keys(self.backup).unwrap(self.wrapped, CONTEXT) == SECRET


@pytest.fixture
def bao(servers: Servers, tmp_path: Path) -> KeyService:
    return servers.service("openbao", "EU", f"test-{uuid4().hex}", tmp_path / "bao")


def _another(service: KeyService) -> KeyService:
    return replace(service, key=f"{service.key}-2")


def _key_state(servers: Servers, key: str) -> str:
    kms = boto3.client("kms", region_name=AWS_REGIONS["EU"], endpoint_url=servers.aws)
    return str(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])


@pytest.mark.parametrize(("backend", "how"), [("local", ""), ("passphrase", ", with its passphrase,")])
def test_copies_from_before_a_service_are_named_whatever_protects_now(
    backend: str, how: str, servers: Servers, bao: KeyService, tmp_path: Path
) -> None:
    moved = Moved.between(tmp_path, servers.service(backend, "EU", "", tmp_path / "first"), bao)
    assert [former.service.backend for former in state_of(moved.place).older] == [backend]
    assert retire(moved.place) == ["version 1 of the region's key is destroyed", COPIES.format(how)]
    assert state_of(moved.place).older == () and moved.opens(), "nothing revokes a copy of the file"


def test_a_key_of_kms_that_protected_before_awaits_its_deletion(servers: Servers, tmp_path: Path) -> None:
    first = servers.service("aws_kms", "EU", f"test-{uuid4().hex}", tmp_path)
    moved = Moved.between(tmp_path, first, _another(first))
    old, new = state_of(moved.backup).service_version, state_of(moved.place).service_version
    assert state_of(moved.place).older == (Former(first, old),)
    assert f"{old} decrypts nothing from now on" in retire(moved.place)[-1]
    assert (_key_state(servers, old), _key_state(servers, new)) == ("PendingDeletion", "Enabled")


def test_a_key_of_kms_that_already_awaits_its_deletion_is_retired(servers: Servers, tmp_path: Path) -> None:
    first = servers.service("aws_kms", "EU", f"test-{uuid4().hex}", tmp_path)
    moved = Moved.between(tmp_path, first, KeyService())
    kms = boto3.client("kms", region_name=AWS_REGIONS["EU"], endpoint_url=servers.aws)
    kms.schedule_key_deletion(KeyId=state_of(moved.backup).service_version.rpartition("/")[2], PendingWindowInDays=9)
    assert "deleted for good on" in retire(moved.place)[-1] and state_of(moved.place).older == ()


@pytest.mark.parametrize("way", ["another key", "in the clear", "there and back", "the same key by another token"])
def test_a_backup_under_openbao_opens_nowhere_once_its_former_key_is_retired(
    way: str, servers: Servers, bao: KeyService, tmp_path: Path
) -> None:
    token = servers.service("openbao", "EU", bao.key, tmp_path / "second")
    ways = {
        "another key": (_another(bao),),
        "in the clear": (KeyService(),),
        "there and back": (_another(bao), bao),
        "the same key by another token": (token,),
    }
    moved = Moved.between(tmp_path, bao, *ways[way])
    if way == "the same key by another token":
        Path(bao.credential_file).unlink()
    fresh = open_keys(moved.place).wrap(SECRET, CONTEXT)
    retire(moved.place)
    Path(bao.credential_file).write_text(servers.baos["EU"].root_token)
    Path(bao.credential_file).chmod(0o600)
    with pytest.raises(KeyUnavailable, match="does not decrypt"):
        moved.opens()
    assert open_keys(moved.place).unwrap(fresh, CONTEXT) == SECRET and state_of(moved.place).older == ()


def test_a_former_key_that_could_not_be_destroyed_is_named_until_it_is(
    servers: Servers, bao: KeyService, tmp_path: Path
) -> None:
    moved = Moved.between(tmp_path, bao, _another(servers.service("openbao", "EU", bao.key, tmp_path / "second")))
    Path(bao.credential_file).write_text(servers.baos["EU"].token(TRAINER))
    line = retire(moved.place)[-1]
    assert line.startswith("not destroyed: backend=openbao") and "run fedsov keys retire EU --yes again" in line
    assert moved.opens() and state_of(moved.place).older == (Former(bao, "1"),)
    Path(bao.credential_file).write_text(servers.baos["EU"].root_token)
    assert "version 1 is destroyed" in retire(moved.place)[-1] and state_of(moved.place).older == ()


def test_a_version_made_at_the_server_after_the_rotation_is_not_destroyed_with_the_older(
    servers: Servers, bao: KeyService, tmp_path: Path
) -> None:
    moved = Moved.between(tmp_path, bao)
    rotate(moved.place)
    servers.baos["EU"].client().secrets.transit.rotate_key(bao.key)
    retire(moved.place)
    assert open_keys(moved.place).region == "EU"
    with pytest.raises(KeyUnavailable, match="does not decrypt"):
        moved.opens()


def test_a_keyring_that_does_not_note_what_protected_it_says_so(tmp_path: Path) -> None:
    moved = Moved.between(tmp_path, KeyService())
    rotate(moved.place)
    path = moved.place.folder / KEYRING
    path.write_text(json.dumps({name: word for name, word in json.loads(path.read_text()).items() if name != "older"}))
    assert "the keyring does not note what protected it before; destroy those copies too" in retire(moved.place)[-1]
