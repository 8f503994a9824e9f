"""What becomes of a region's log of requests: a person's erasure, its period, holds on it, and new keys.

The endpoint goes on meanwhile. The log counts as a data set called `NAME` where a hold names one.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from fedsov.errors import JobRefused, WorkspaceUnusable
from fedsov.inference.request_log import homes, log_secrets, retention
from fedsov.inference.request_log.head_notes import NOTE, NotedHeads
from fedsov.inference.request_log.log_secrets import FILE as SECRETS
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.subject_keys import SubjectKeys
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.region.lifecycle.erasure import ErasablePlace, Premises, Subject
from fedsov.region.lifecycle.legal_holds import ending, holds_on
from fedsov.region.lifecycle.retention import Due
from fedsov.storage.serving_folder import ServingFolder

NAME = "requests"
SENT = "requests_sent_home"
"""What a ledger calls the note of a parcel of another region's people's lines."""


def has_log(folder: Path) -> bool:
    """Whether a region's folder has a log of requests."""
    return (ServingFolder(folder).requests / SECRETS).exists()


def _keys_of_people(premises: Premises) -> SubjectKeys:
    log = ServingFolder(premises.folder).requests
    return SubjectKeys.open(log, LogSecrets.open(log, premises.keys))


def _erase(premises: Premises, subject: Subject) -> list[str]:
    """Deletes the person's key. Whether it has been used nobody is told but by its having been there."""
    if not has_log(premises.folder):
        return []
    with closing(_keys_of_people(premises)) as keys:
        return ["the key of the subject's requests and answers"] if keys.erase(subject.word) else []


PLACE = ErasablePlace(
    "log of requests",
    "what the subject asked the endpoint, and the answers",
    "the subject's key is deleted; times and models stay, later requests are logged without content",
    _erase,
)


def lift(premises: Premises, subject: Subject) -> None:
    """Lets the requests of a person who was erased be logged whole again."""
    if has_log(premises.folder):
        with closing(_keys_of_people(premises)) as keys:
            keys.lift(subject.word)


def check_holds(premises: Premises, subject: Subject) -> None:
    """Raises JobRefused where a hold on the log keeps what the person asked."""
    own = [hold for hold in holds_on(premises.ledger, NAME) if hold.subject in ("", subject.digest)]
    if not own or not has_log(premises.folder):
        return
    name = premises.ledger.owner
    with closing(_keys_of_people(premises)) as keys:
        if keys.has(subject.word):
            raise JobRefused(f"region {name} keeps requests of this subject on a legal hold; {ending(name, own)}")


def days_of(premises: Premises) -> int | None:
    """For how many days lines are kept: the endpoint's own period, else the region's."""
    return premises.settings.serving.retention_days or premises.settings.retention_days


def plan(premises: Premises) -> list[Due]:
    """What of the log is past its period; nothing where the region has none."""
    if not has_log(premises.folder):
        return []
    log = ServingFolder(premises.folder).requests
    return [_due(log, days_of(premises), is_held=_is_held(premises, log))]


def _due(log: Path, days: int | None, *, is_held: bool) -> Due:
    every = retention.count_of(log)
    past = [] if days is None else retention.past_period(log, days=days, now=time.time(), newest_too=True)
    count = retention.lines_of(past)
    return Due(NAME, every, count, count if is_held else 0)


def apply(premises: Premises, *, by: str, why: str) -> list[Due]:
    """Removes segments whose period is over, and keys that no line needs any more; gives what there was.

    Nothing leaves while a hold is on the log, or while lines of another region's people in it have not gone home.

    Raises LedgerBroken, KeyUnavailable, WorkspaceUnusable.
    """
    if not has_log(premises.folder):
        return []
    log, days = ServingFolder(premises.folder).requests, days_of(premises)
    is_held = _is_held(premises, log)
    due, secrets = _due(log, days, is_held=is_held), LogSecrets.open(log, premises.keys)
    try:
        removed = NotedHeads.of(entry.body["note"][NOTE] for entry in premises.ledger.notes(NOTE)).removed
        retention.removed_again(log, {worker: each.segment for worker, each in removed.items()})
        if days is not None and not is_held:
            retention.end_idle(log, secrets, days=days, now=time.time())
            past = retention.past_period(log, days=days, now=time.time())
            retention.remove(log, past, premises.ledger.note, by=by, why=why)
    except OSError as error:
        raise WorkspaceUnusable(f"{log} cannot be changed: {error.strerror}; mend that, then run it again") from error
    used = retention.used_keys(log, secrets)
    if used is not None:
        with closing(SubjectKeys.open(log, secrets)) as keys:
            keys.forget(used)
    return [due]


def _is_held(premises: Premises, log: Path) -> bool:
    """Whether lines stay beyond their period: a hold names the log, or lines wait to go home."""
    if holds_on(premises.ledger, NAME):
        return True
    return any(homes.waiting(log, LogSecrets.open(log, premises.keys), sent_home(premises.ledger)))


def sent_home(ledger: Ledger) -> dict[str, dict[int, int]]:
    """By region and worker, the last line that was looked at when its people's lines were sent. Raises LedgerBroken."""
    reached: dict[str, dict[int, int]] = {}
    for entry in ledger.notes(SENT):
        note = entry.body["note"][SENT]
        reached[note["to"]] = {int(worker): int(number) for worker, number in note["reached"].items()}
    return reached


def log_anew(folder: Path, keys: RegionKeys) -> int:
    """After a rotation: wraps the log's secrets by the newest version, and makes the next; how many it wrapped.

    Raises KeyUnavailable, RequestLogBroken, WorkspaceUnusable.
    """
    log = ServingFolder(folder).requests
    try:
        return log_secrets.renew(log, keys)
    except OSError as error:
        raise WorkspaceUnusable(f"{log} cannot be changed: {error.strerror}; make room, then run it again") from error


def wrapped_keys(folder: Path, region: str) -> list[bytes]:
    """The log's secrets as the region's key wrapped them. Raises RequestLogBroken."""
    return log_secrets.wrapped_secrets(ServingFolder(folder).requests, region)
