"""Which law a party decides by: the shipped one or an installed bundle, as far as people confirmed it.

    bundle = law_in_force(workspace.law, rules, owner=owner, digest=pinned)

A region names the digest of its law in its own settings, and takes no other. Who names none (the hub, a command) takes
the installed bundle where there is one.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_file import installed
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.confirmations import confirmed


class OtherLaw(LookupError):
    """Neither the shipped law nor an installed one has the digest that was named; `known` are theirs, by name."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        super().__init__("no law of this digest")


def law_in_force(
    folder: Path | None,
    rules: Path | None = None,
    *,
    owner: str | None = None,
    digest: str = "",
    trial: bool = False,
) -> Bundle:
    """The law to decide by, read now, with a tenant's additional rules.

    Args:
        folder: where an installed bundle and the confirmations lie; None for the shipped law, as it was read.
        rules, owner, trial: as for `fedsov.border.law.bundle_loader.load_bundle`; the owner also signs confirmations.
        digest: the law that is pinned; "" for the installed one, or the shipped one where none is installed.

    Raises OtherLaw; ConfigurationError also for an installed bundle that no ledger noted; LedgerBroken.
    """
    files, law = None, load_bundle()
    known = {"this version has": law.digest}
    if digest != law.digest and (new := installed(folder, pinned=digest)) is not None:
        files, law = new.files, new.bundle
        known["installed is"] = law.digest
    if digest and digest != law.digest:
        raise OtherLaw(known)
    bundle = load_bundle(rules, owner=owner, trial=trial, files=files)
    return confirmed(bundle, folder, law=law.digest, owner=owner or "")
