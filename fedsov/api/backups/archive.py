"""The archive of a party: one encrypted file, written and read in pieces, with a signed manifest at its end.

    {"format": "fedsov backup 1", "party": ..., "salt_and_key": ...}\\n     in the clear, bound to all that follows
    then encrypted (`fedsov.keys.sealed_stream`):
        length, {"name": ..., "size": ...}, bytes        for each file
        length, {"manifest": size}, bytes                the manifest: every file's SHA-256, ledger's head, signature

The key is random, and wrapped by a passphrase (`fedsov.keys.passphrase`). There is no name of a link, a folder or a
device in this format, and a name that would leave the home is refused before anything is written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fedsov.api.backups.party_files import TOPS
from fedsov.api.backups.snapshot import Still
from fedsov.errors import ConfigurationError, KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.keys.credentials import credential
from fedsov.keys.passphrase import SHORTEST, Passphrase
from fedsov.keys.sealed_stream import PIECE, SealedReader, SealedWriter
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.atomic_files import sync_folder
from fedsov.storage.bounded_files import parsed_json
from fedsov.storage.private_files import FILE, beside, make_private_folder

FORMAT = "fedsov backup 1"
PURPOSE = b"fedsov backup 1\n"
"""What the signature of a manifest begins with."""
VARIABLE = "FEDSOV_BACKUP_PASSPHRASE"
LARGEST_MANIFEST, LARGEST_HEADER = 2**28, 2**12
_LENGTH = struct.Struct(">I")
OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of an archive."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveContents:
    """What an archive says of itself.

    Attributes:
        party, role: whose it is: "hub" or a region's name.
        day: when it was made, ISO 8601 in UTC.
        home: the folder that the party was in.
        head: the signed head of its ledger at that moment; None where the ledger is stored elsewhere.
        files: every file.
        left_out: what of the party does not lie in it.
        key: the public key (hex) of the party's ledger, which signed this.
    """

    party: str
    role: str
    day: str
    version: str
    home: str
    head: Mapping[str, Any] | None
    files: tuple[Stored, ...]
    left_out: tuple[str, ...]
    key: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal."""
        return hashlib.sha256(canonical(self.to_json())).hexdigest()

    def message(self) -> bytes:
        """What is signed."""
        return PURPOSE + canonical(self.to_json())


def passphrase(party: str, file: str) -> Passphrase:
    """What protects the archive's key, from a file for its owner's eyes only or `VARIABLE`.

    Raises ConfigurationError where there is none, KeyUnavailable for a file that others can read or a short one.
    """
    if not file and not os.environ.get(VARIABLE, "").strip():
        raise ConfigurationError(
            f"an archive holds keys and is always encrypted: name a passphrase's file by --passphrase FILE, or set "
            f"{VARIABLE}; keep it apart from the archive"
        )
    words = credential(file, (VARIABLE,), called="passphrase of the archive")
    if len(words) < SHORTEST:
        raise KeyUnavailable(f"the passphrase of the archive has fewer than {SHORTEST} letters; choose a longer one")
    return Passphrase(f"backup of {party}", words)


@contextmanager
def new_archive(path: Path, party: str, file: str) -> Iterator[SealedWriter]:
    """Writes an archive aside and puts it in its place once the block has ended; a failed one leaves nothing.

    Raises ConfigurationError where a file is there already or there is no passphrase; WorkspaceUnusable.
    """
    words, key, aside = passphrase(party, file), os.urandom(32), beside(path)
    if path.exists() or path.is_symlink():
        raise ConfigurationError(f"{path} exists, and no backup is written over; name another by --out")
    wrapped = base64.b64encode(words.wrap(key, words.version)).decode()
    header = json.dumps({"format": FORMAT, "party": party, "salt_and_key": wrapped}).encode() + b"\n"
    try:
        make_private_folder(path.parent)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE), "wb") as out:
            out.write(header)
            with SealedWriter(out, key, header) as sealed:
                yield sealed
            out.flush()
            os.fsync(out.fileno())
        os.link(aside, path)  # never over a file that came meanwhile
        sync_folder(path.parent)
    except OSError as error:
        raise WorkspaceUnusable(
            f"{path} cannot be written: {error.strerror}; make room, or name another place by --out"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def put_files(out: SealedWriter, files: Sequence[Still], on_bytes: OnBytes) -> tuple[Stored, ...]:
    """Writes files one after the other; what was written of each. Raises WorkspaceUnusable for one cut meanwhile."""
    return tuple(_put(out, each, on_bytes) for each in files)


def _put(out: SealedWriter, each: Still, on_bytes: OnBytes) -> Stored:
    _frame(out, {"name": each.name, "size": each.size})
    digest, left = hashlib.sha256(), each.size
    with each.path.open("rb") as file:
        while left and (piece := file.read(min(PIECE, left))):
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
            on_bytes(len(piece))
    if left:
        raise WorkspaceUnusable(f"{each.name} became shorter while it was read; nothing was backed up, run it again")
    return Stored(each.name, each.size, digest.hexdigest())


def put_contents(out: SealedWriter, contents: ArchiveContents, signature: str) -> None:
    """Writes the manifest, which ends the archive."""
    body = json.dumps({**contents.to_json(), "signature": signature}).encode()
    _frame(out, {"manifest": len(body)})
    out.write(body)


def _frame(out: SealedWriter, head: Mapping[str, Any]) -> None:
    text = json.dumps(head).encode()
    out.write(_LENGTH.pack(len(text)) + text)


def take_out(path: Path, folder: Path, file: str, on_bytes: OnBytes) -> ArchiveContents:
    """Writes every file of an archive below a folder, and gives its manifest once all of it was found true.

    Raises:
        ConfigurationError: it is no archive, or no passphrase is given. KeyUnavailable: another passphrase.
        StoreDamaged: a byte of it was changed, it was cut, a file is not the one that the manifest names, or a name
            would leave the home.
    """
    try:
        with path.open("rb") as archive:
            reader = _opened(path, archive, file)
            found: dict[str, Stored] = {}
            while (head := _next(reader)).keys() != {"manifest"}:
                name = checked_name(head.get("name"))
                if name in found:
                    raise StoreDamaged(f"{path} holds {name} twice")
                found[name] = _take(reader, name, _size(head.get("size"), 2**63), folder, on_bytes)
            body = _whole(reader, _size(head["manifest"], LARGEST_MANIFEST))
            if reader.read(1):
                raise StoreDamaged(f"{path} goes on behind its manifest")
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; name the archive that `fedsov backup` wrote") from None
    except ValueError as problem:
        raise StoreDamaged(f"{path} was changed, cut, or is not what was written: {problem}") from problem
    return _contents(path, body, found)


def _opened(path: Path, archive: BinaryIO, file: str) -> SealedReader:
    header = archive.readline(LARGEST_HEADER)
    try:
        plain = parsed_json(header)
        party, wrapped = str(plain["party"]), base64.b64decode(str(plain["salt_and_key"]), validate=True)
        if plain["format"] != FORMAT or not header.endswith(b"\n"):
            raise ValueError("it is of another format")
    except (ValueError, KeyError, TypeError) as problem:
        raise ConfigurationError(f"{path} is no archive of `fedsov backup` ({problem})") from problem
    words = passphrase(party, file)
    try:
        key = words.unwrap(wrapped, words.version)
    except KeyUnavailable:
        raise KeyUnavailable(
            f"the passphrase does not open {path}: it is another one, or the file was changed"
        ) from None
    return SealedReader(archive, key, header)


def _next(reader: SealedReader) -> dict[str, Any]:
    (length,) = _LENGTH.unpack(_whole(reader, _LENGTH.size))
    head = parsed_json(_whole(reader, _size(length, LARGEST_HEADER * 4)))
    if not isinstance(head, dict):
        raise ValueError("a file has no head")
    return head


def _whole(reader: SealedReader, size: int) -> bytes:
    content = reader.read(size)
    if len(content) != size:
        raise ValueError("it ends too soon")
    return content


def _size(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("a size is none")
    return value


def checked_name(name: Any) -> str:
    """A file's name in an archive: a relative path below what a home has. Raises StoreDamaged for any other."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    is_plain = isinstance(name, str) and "/".join(parts) == name and "\0" not in name and "\\" not in name
    if not is_plain or not parts or parts[0] not in TOPS or {".", "..", "/"} & set(parts):
        raise StoreDamaged(f"the archive holds the name {str(name)[:80]!r}, which is none of a party's files")
    return str(name)


def _take(reader: SealedReader, name: str, size: int, folder: Path, on_bytes: OnBytes) -> Stored:
    place, digest, left = folder / name, hashlib.sha256(), size
    make_private_folder(place.parent)
    with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE), "wb") as out:
        while left:
            piece = _whole(reader, min(PIECE, left))
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
            on_bytes(len(piece))
        out.flush()
        os.fsync(out.fileno())
    return Stored(name, size, digest.hexdigest())


def _contents(path: Path, body: bytes, found: Mapping[str, Stored]) -> ArchiveContents:
    """The manifest, which names exactly the files that were found. Raises StoreDamaged."""
    try:
        plain = parsed_json(body)
        signature = str(plain.pop("signature"))
        listed = {"files": tuple(Stored(**each) for each in plain["files"]), "left_out": tuple(plain["left_out"])}
        contents = ArchiveContents(**{**plain, **listed})
        is_signed = signature_holds(contents.message(), contents.key, signature)
    except (ValueError, KeyError, TypeError) as problem:
        raise StoreDamaged(f"the manifest of {path} cannot be read ({problem})") from problem
    if not is_signed:
        raise StoreDamaged(f"the manifest of {path} is not signed by the key that it names")
    named = {each.name: each for each in contents.files}
    differing = sorted(name for name in {**named, **found} if named.get(name) != found.get(name))
    if differing or len(named) != len(contents.files):
        raise StoreDamaged(f"{path}: {(differing or [*named])[0]} is not the file that its manifest names")
    return contents
