"""A job names files of the hub's machine; in a deployment a region reads its own in their place.

    asked = with_own_files(folder, asked)

`border.evidence` and `border.rules` are paths. In one workspace a region compares the files they name with its own. On
another machine there are no such files: a job that names a register asks to rely on documents, and the region relies on
those of its own register. A region that has none refuses the job, as in one workspace. What decides is the same either
way: the region's register and its rules, never the job's.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fedsov.errors import FedsovError
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.job import Asked
from fedsov.region.settings_file import read_settings
from fedsov.storage.workspace import ledger_of


def with_own_files(folder: Path, asked: Asked) -> Asked:
    """What a job asks for, with the region's own files where both name one.

    Unchanged where the region's settings cannot be read: whoever opens the region then refuses, and says why.
    """
    try:
        with closing(Ledger.read(ledger_of(folder))) as ledger:
            own = read_settings(folder, ledger)
    except (FedsovError, OSError):
        return asked
    evidence, rules = own.evidence, own.law.rules
    return replace(
        asked,
        evidence=asked.evidence and (evidence or asked.evidence),
        rules=asked.rules and (rules or asked.rules),
    )
