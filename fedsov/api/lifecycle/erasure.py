"""A person's erasure in one region of a workspace: what `fedsov erase` and notebooks call.

The workspace is held meanwhile, so no run reads rows that are about to leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedsov.api.lifecycle import request_log
from fedsov.api.region_settings import UNSAID, names_of, opened, user
from fedsov.artifact import Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.errors import ConfigurationError
from fedsov.keys import has_keys, open_keys
from fedsov.keys.principals import ERASURE_OFFICER
from fedsov.ledger.ledger import Ledger
from fedsov.partition.ingest import QUARANTINE, key_settings
from fedsov.region.admission import Place
from fedsov.region.answers.memory import Answers
from fedsov.region.lifecycle import erasure, lineage
from fedsov.region.lifecycle.erasure import Erased, Premises
from fedsov.region.settings_file import read_settings, split_key
from fedsov.region.trust.access import EVERY_DATASET, Opening, keys_for, record_opening
from fedsov.storage.workspace import Workspace


def erase(root: Path, name: str, subject: str, *, by: str = "", why: str) -> Erased:
    """Erases a subject in every place of a region. Raises as `erasure.erase`."""
    with premises(root, name, purpose="erasure") as region:
        word = erasure.subject_of(region.keys, subject)
        request_log.check_holds(region, word)
        return erasure.erase(region, word, by=by or user(), why=reason(why), further=(request_log.PLACE,))


def lift(root: Path, name: str, subject: str, *, by: str = "", why: str) -> str:
    """Lets rows of an erased subject be taken again; its keyed digest. Raises as `erasure.lift`."""
    with premises(root, name) as region:
        word = erasure.subject_of(region.keys, subject)
        erasure.lift(region, word, by=by or user(), why=reason(why))
        request_log.lift(region, word)
        return word.digest


def traced(root: Path, name: str) -> dict[str, list[lineage.ModelVersion]]:
    """By keyed digest of an erased subject, the model versions that had it among their rows, or may have had."""
    (known,) = names_of(root, name, every=False)
    with opened(root, known, writes=False) as (_, ledger):
        return erasure.lineage(ledger)


def other_regions(root: Path, name: str) -> list[str]:
    """The other regions of the workspace, which know a subject of the same name by other pseudonyms."""
    return [other for other in Workspace(root).region_names() if other != name]


@contextmanager
def premises(root: Path, name: str, *, writes: bool = True, purpose: str = "") -> Iterator[Premises]:
    """A region with all that an erasure opens, by the erasure officer's keys where it has some, else by the owner's.

    Where something is written the workspace is held.

    Args:
        purpose: what its stores' rows are opened for, which is decided and in the ledger first; "" where no row is
            read, or an entry of its own says what for.

    Raises ConfigurationError for a region that there is not, SettingsBroken; JobRefused for another's purpose.
    """
    names_of(root, name, every=False)
    with opened(root, name, writes=writes) as (folder, ledger):
        settings = read_settings(folder, ledger)
        keys = keys_for(Place(folder, ledger), settings, ERASURE_OFFICER)
        if purpose:
            record_opening(ledger, keys.principal, Opening(EVERY_DATASET, purpose, user()))
        secret = split_key(settings, keys)
        answers = Answers.open(folder, _gate(name, ledger), settings.limits, secret)
        common = key_settings(root, QUARANTINE)
        shared = (common.folder, open_keys(common)) if has_keys(common) else None
        yield Premises(folder, ledger, keys, settings, secret, answers, shared)


def _gate(name: str, ledger: Ledger) -> Gate:
    """The gate by which the memory of answers writes into the ledger; nothing crosses here."""
    party = Party(name, name, "")
    return Gate(party, bundle=load_bundle(), evidence=Register(()), ledger=ledger, run="", today=ledger.today)


def reason(why: str) -> str:
    """The reason of an act. Raises ConfigurationError where none is given."""
    if not why.strip() or why == UNSAID:
        raise ConfigurationError("--why is empty; give the reason for the ledger, such as the number of the request")
    return why
