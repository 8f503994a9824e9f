"""The synthetic table of people's rows: one a version, whoever asks for however many rows, and the same one again.

Many tables made from halves of the same people that a hub could choose, or two between which one person came, would
tell more than one. So the region's secret divides the people, and the table is an answer like others
(`fedsov.region.answers.memory`): repeated, or withheld, by the same rules, its digest in the ledger. It is kept
encrypted, beside the answers:

    regions/NAME/answers/table-….bin      AES-256-GCM under a key of the region's secret, bound to the table's digest
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fedsov.errors import AnswersBroken
from fedsov.keys.sealing import decrypted, encrypted
from fedsov.label import Scope
from fedsov.partition.people.changed_people import keyed_name
from fedsov.region.answers.memory import SYNTHETIC, Answers
from fedsov.region.answers.people_rows import PEOPLE, answers_of, one_answer
from fedsov.region.session import Session
from fedsov.storage.atomic_files import sha256_hex, sync_folder, write_file

TABLES, DIVISION = "tables", "division of synthetic rows"
"""What two keys of the region are for."""


def division_key(session: Session) -> bytes:
    """The key that divides people into those that a table is made from and those that it is measured against."""
    return answers_of(session).key(DIVISION)


def table(session: Session, make: Callable[[], bytes]) -> bytes:
    """The table of the shareable training rows' version, made now or before.

    Raises as `Answers.give`, and as `make`.
    """
    answers = answers_of(session)

    def described() -> dict[str, Any]:
        content = make()
        digest = sha256_hex(content)
        write_file(_path(answers, digest), encrypted(answers.key(TABLES), content, digest.encode()))
        return {"sha256": digest, "bytes": len(content)}

    return _read(answers, one_answer(session, SYNTHETIC, Scope.SHAREABLE, described).answer["sha256"])


def erase_tables(answers: Answers, pseudonyms: Iterable[str]) -> list[str]:
    """Deletes the tables that these people's rows were behind; what was deleted, in words. Raises AnswersBroken."""
    if not any(answers.folder.glob("table-*.bin")):
        return []
    names, deleted = {keyed_name(pseudonym, answers.key(PEOPLE)) for pseudonym in pseudonyms}, []
    for each in answers.standing(names):
        if each.given.question.what == SYNTHETIC and each.has_them:
            path = _path(answers, each.given.answer["sha256"])
            if path.exists():
                path.unlink()
                sync_folder(path.parent)
                deleted.append(f"{path.name} of {each.given.question.dataset}")
    return deleted


def _path(answers: Answers, digest: str) -> Path:
    return answers.folder / f"table-{digest[:32]}.bin"


def _read(answers: Answers, digest: str) -> bytes:
    path = _path(answers, digest)
    try:
        return decrypted(answers.key(TABLES), path.read_bytes(), digest.encode())
    except (FileNotFoundError, ValueError):
        raise AnswersBroken(
            f"{path} was lost or changed, or deleted with a person who was erased; restore it from your copy, or "
            "let more people change"
        ) from None
