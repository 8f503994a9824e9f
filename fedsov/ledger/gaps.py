"""A ledger that was put back from a backup: how that is known, and how its owner and the others go on.

A restored ledger lacks what was appended since the backup, and others may have noted heads of that part. Nothing goes
on by itself. The ledger has an entry of what shows the loss: `restored` is written by `fedsov restore`; `behind` by a
region whose hub noted a later head, which the region's own key had signed. While such an entry is `open_loss`, the
owner's processes refuse. Then two acts, each an entry with by and why:

    accept_own(ledger, by="A. Person", why="disk of 3 March")     # the owner: the entries are lost
    statement = stated(ledger)                                    # signed; handed to the others
    accept_other(other_ledger, statement, by=..., why=...)        # each other: takes the new head for the one it noted

The statement proves which of the heads that others noted are still continued; the acceptor abandons the later ones,
and only those. A statement about a ledger that continues every noted head is refused: there is nothing to accept.
What was spent of a privacy budget meanwhile is not known: see `fedsov.region.lost_budget`.

A second loss of a ledger whose first one was accepted is known by `restored`, and by the others' heads alone where the
folder was put back by other means than `fedsov restore`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsov.errors import ConfigurationError, LedgerBroken, LedgerRestored, counted
from fedsov.ledger import proofs
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.ledger import Entry, Ledger, entry_time
from fedsov.ledger.signed_head import Head, signature_holds

RESTORED, BEHIND, GAP = "restored", "behind", "gap"
"""What a ledger calls the notes of a restoration, of a later head that another noted, and of an accepted loss."""
FORMAT = "fedsov gap 1"
PURPOSE = b"fedsov gap 1\n"
"""What the signature of a statement begins with."""
_TOLD = 500
"""Heads told last, which a statement proves; one that was noted before them is taken as abandoned."""
_AFTER = 2
"""Entries that may have come between the note of a head's telling and the head."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What another party's loss was accepted as.

    Attributes:
        owner: whose ledger it is.
        kept: the greatest size of a head noted before that the ledger still continues; 0 for none.
        abandoned: sizes of the heads noted before that it does not.
        head: the head that is taken from now on.
    """

    owner: str
    kept: int
    abandoned: tuple[int, ...]
    head: Head

    def sentence(self) -> str:
        """In one line."""
        lost = ", ".join(f"{size:,}" for size in self.abandoned)
        return (
            f"the ledger of {self.owner} is taken from size {self.head.size:,} on; it continues the head of size "
            f"{self.kept:,}, and what was noted at {lost} is given up"
        )


def note_restored(ledger: Ledger, *, archive: str, backed_up: str) -> Entry:
    """Notes that the ledger was put back.

    Args:
        archive: the SHA-256 of the archive's manifest.
        backed_up: when the backup was made, ISO 8601.
    """
    return ledger.note({RESTORED: {"archive": archive, "backed_up": backed_up, "size": ledger.head().size}})


def check_last_known(ledger: Ledger, last_known: Mapping[str, Any] | None) -> None:
    """Raises LedgerRestored where this ledger lacks what its own key signed, and where a loss is open.

    A head that this key did not sign says nothing of a loss: LedgerBroken, as of any ledger that was replaced.
    """
    if last_known is not None and not ledger.contains(head := Head.from_json(last_known)):
        if (head.owner, head.key) != (ledger.owner, ledger.key):
            raise LedgerBroken("this ledger does not continue the one whose head the hub noted: it was replaced")
        head.check()
        if not _losses(ledger) and not _own_gaps(ledger):
            ledger.note({BEHIND: {"head": head.to_json()}})
        raise LedgerRestored(
            f"the ledger of {ledger.owner} has {counted(ledger.head().size, 'entry', 'entries')} and does not continue "
            f"the head of size {head.size:,} that was noted of it: it was put back from a backup, or cut; "
            f"{_way(ledger.owner)}"
        )
    check_open(ledger)


def check_open(ledger: Ledger) -> None:
    """Raises LedgerRestored where the ledger was put back and its owner did not accept that yet."""
    if loss := open_loss(ledger):
        backed_up = loss.body["note"].get(RESTORED, {}).get("backed_up")
        since = f", of {backed_up}," if backed_up else ""
        raise LedgerRestored(
            f"the ledger of {ledger.owner} was put back from a backup{since} and nobody accepted what it lacks "
            f"(entry {loss.seq}); {_way(ledger.owner)}"
        )


def _way(owner: str) -> str:
    return (
        f"put back a newer backup, or let its owner run `fedsov ledger accept-gap {owner} --why TEXT` and hand the "
        "statement to the other parties; nothing crossed"
    )


def open_loss(ledger: Ledger) -> Entry | None:
    """The last entry that shows a loss and that the owner did not accept; None where there is none."""
    accepted = max((entry.seq for entry in _own_gaps(ledger)), default=0)
    return next((entry for entry in reversed(_losses(ledger)) if entry.seq > accepted), None)


def _losses(ledger: Ledger) -> list[Entry]:
    return sorted((*ledger.notes(RESTORED), *ledger.notes(BEHIND)), key=lambda entry: entry.seq)


def _own_gaps(ledger: Ledger) -> list[Entry]:
    return [entry for entry in ledger.notes(GAP) if entry.body["note"][GAP].get("of") == ledger.owner]


def check_evidence(ledger: Ledger, head: Head | None) -> None:
    """Raises ConfigurationError where nothing shows that this ledger lacks an entry.

    Args:
        head: one that another party noted; its owner's key signed it, and the ledger does not continue it.
    """
    if head is None:
        if open_loss(ledger) is None:
            raise ConfigurationError(
                f"nothing shows that the ledger of {ledger.owner} lacks an entry; where another party noted a later "
                "head, give that by --head FILE"
            )
        return
    head.check()
    if (head.owner, head.key) != (ledger.owner, ledger.key):
        raise ConfigurationError(f"--head is of {head.owner or 'nobody'}, not signed by the key of {ledger.owner}")
    if ledger.contains(head):
        raise ConfigurationError(f"the ledger of {ledger.owner} continues the head given; there is nothing to accept")


def accept_own(ledger: Ledger, *, by: str, why: str, spent: str = "") -> Entry:
    """Notes that the owner goes on without the entries that were lost.

    Args:
        spent: what the owner's privacy budget was taken as.
    """
    size = ledger.head().size
    return ledger.note({GAP: {"of": ledger.owner, "from": size, "by": by, "why": why, "spent": spent}})


def stated(ledger: Ledger) -> dict[str, Any]:
    """The owner's signed statement of the loss that it accepted last, for the other parties, in plain values.

    Raises ConfigurationError where none was accepted, or another loss is open.
    """
    gaps = _own_gaps(ledger)
    if not gaps or open_loss(ledger):
        raise ConfigurationError(f"the owner of {ledger.owner} accepted no loss; see `fedsov ledger accept-gap --help`")
    told = sorted(entry.seq for name in ("told", "heads") for entry in ledger.notes(name))[-_TOLD:]
    head = ledger.head()
    sizes = {seq + more for seq in told for more in range(_AFTER + 1) if seq + more <= head.size}
    paths = {str(size): [each.hex() for each in ledger.consistency(size)[0]] for size in sorted(sizes)}
    own = gaps[-1].body["note"][GAP]
    body = {"format": FORMAT, "owner": ledger.owner, "at": entry_time(), "head": head.to_json(), "paths": paths}
    body |= {"by": own["by"], "why": own["why"]}
    return {**body, "signature": ledger.sign(PURPOSE + canonical(body)).hex()}


def accept_other(ledger: Ledger, statement: Mapping[str, Any], *, by: str, why: str) -> Accepted:
    """Takes another party's new head in the place of the one noted before, and notes why; nothing else changes.

    Raises:
        ConfigurationError: no statement, one of the ledger's own owner, or of a party that nothing was noted of; one
            that was taken before; and where every head noted of it is continued.
        LedgerBroken: not signed by the key whose heads were noted.
    """
    head, paths = _read(statement)
    noted = noted_of(ledger, head.owner)
    if head.owner == ledger.owner or not noted:
        raise ConfigurationError(
            f"the statement is of {head.owner}, and {ledger.owner} noted no head of another party by that name"
        )
    if (before := _taken(ledger, head)) is not None:
        raise ConfigurationError(f"this statement of {head.owner} was taken before, in entry {before}")
    if any(each.key != head.key for each in noted):
        raise LedgerBroken(
            f"the statement of {head.owner} is signed with key {head.key[:16]}, and {ledger.owner} noted heads signed "
            f"with {noted[0].key[:16]}: another ledger, which nothing here takes in its place"
        )
    continued = [_is_continued(each, head, paths) for each in noted]
    first = continued.index(False) if False in continued else len(noted)
    if first == len(noted):
        raise ConfigurationError(
            f"the ledger of {head.owner} continues every head that {ledger.owner} noted of it; there is nothing to "
            "accept"
        )
    kept, lost = max((each.size for each in noted[:first]), default=0), tuple(each.size for each in noted[first:])
    outcome = Accepted(head.owner, kept, lost, head)
    said = {"of": head.owner, "kept": kept, "abandoned": list(lost), "by": by, "why": why}
    said |= {"stated_by": str(statement["by"]), "stated_why": str(statement["why"])}
    ledger.note({"heads": {head.owner: head.to_json()}, GAP: said})
    return outcome


def _taken(ledger: Ledger, head: Head) -> int | None:
    """The entry in which this head was noted already: a statement is taken once, or it would bring the past back."""
    entries = (entry for entry in ledger.notes("heads") if head.owner in entry.body["note"]["heads"])
    return next((each.seq for each in entries if Head.from_json(each.body["note"]["heads"][head.owner]) == head), None)


def noted_of(ledger: Ledger, owner: str) -> list[Head]:
    """The heads noted of another party since its last loss was accepted, that head first; oldest first."""
    heads: list[Head] = []
    noting = [entry for name in (proofs.HEADS, proofs.WITNESSED) for entry in ledger.notes(name)]
    for entry in sorted(noting, key=lambda entry: entry.seq):
        note = entry.body["note"]
        if noted := proofs.heads_in(note).get(owner):
            head = Head.from_json(noted)
            heads = [head] if note.get(GAP, {}).get("of") == owner else [*heads, head]
    return heads


def given_up(ledger: Ledger) -> dict[str, list[tuple[int, int]]]:
    """By party, each loss of its ledger that this one accepted: the entry that says so, and the greatest size kept."""
    losses: dict[str, list[tuple[int, int]]] = {}
    for entry in ledger.notes(GAP):
        note = entry.body["note"][GAP]
        if note.get("of") != ledger.owner:
            losses.setdefault(str(note.get("of")), []).append((entry.seq, int(note.get("kept", 0))))
    return losses


def _read(statement: Any) -> tuple[Head, Mapping[str, Sequence[str]]]:
    """The head of a statement and its proofs, the signatures checked."""
    try:
        body = {name: statement[name] for name in ("format", "owner", "at", "head", "paths", "by", "why")}
        head, signature = Head.from_json(body["head"]).check(), str(statement["signature"])
        if set(statement) != {*body, "signature"} or body["format"] != FORMAT or body["owner"] != head.owner:
            raise ValueError("it has another form")
        message = PURPOSE + canonical(body)
    except (KeyError, TypeError, ValueError, ConfigurationError) as problem:
        raise ConfigurationError(f"this is no statement of `fedsov ledger accept-gap`: {problem}") from problem
    if not signature_holds(message, head.key, signature):
        raise LedgerBroken(f"the statement of {head.owner} was changed: its signature does not hold")
    return head, body["paths"]


def _is_continued(before: Head, head: Head, paths: Mapping[str, Any]) -> bool:
    try:
        proofs.accepted(head.to_json(), before.to_json(), path=paths.get(str(before.size), ()))
    except LedgerBroken:
        return False
    return True
