"""What the hub can say when all it knows of a region's failure is the name of a type.

The text of an exception stays in the region (``worker.log`` in its folder). The names of fedsov's own errors say
enough for a line with a way out; any other name is given as it is, with the place of the log.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from fedsov import errors
from fedsov.errors import FedsovError

WAYS_OUT: Mapping[str, str] = {
    "StoreDamaged": "its store {folder}/store/{dataset} is damaged or was changed; make it anew with"
    " `fedsov ingest --rebuild`",
    "KeyUnavailable": "its keyring {folder}/keyring.json is missing, unreadable or not this region's;"
    " restore it from your copy (without it the store stays closed)",
    "LedgerBroken": "its ledger {folder}/ledger.sqlite does not verify, was cut, or cannot be written, or the hub's is"
    " not the one whose head it noted; see `fedsov ledger verify`; nothing crossed",
    "LedgerRestored": "its ledger {folder}/ledger.sqlite does not continue the head that the hub noted, or was put back"
    " from a backup and nobody accepted that yet: put back a newer backup, or let its owner run `fedsov ledger"
    " accept-gap {region} --why TEXT` there and hand you the statement, which the hub takes by `fedsov ledger"
    " accept-gap hub --statement FILE --why TEXT`; nothing crossed",
    "HubRestored": "it remembers a later head of the hub's ledger than the hub has, or another: the hub was put back"
    " from a backup, or its ledger was cut. Put back a newer backup, or run `fedsov ledger accept-gap hub --why TEXT`"
    " here and hand the statement to each region, whose owner takes it by `fedsov ledger accept-gap {region}"
    " --statement FILE --why TEXT`; nothing crossed",
    "BudgetBroken": "its privacy budget {folder}/privacy.jsonl, the people it covers (privacy-people-…) or what this"
    " run released (runs/) was changed, cut or lost, or cannot be written; restore it from your copy;"
    " see `fedsov budget`; no row was touched",
    "BudgetExceeded": "what is left of its privacy budget does not hold this; see `fedsov budget`",
    "CheckpointDamaged": "what it noted of this run under {folder}/runs was changed or cut; begin a new run",
    "AnswersBroken": "what it remembers of its answers, {folder}/answers, was changed, cut or lost; restore it from"
    " your copy; nothing was answered",
    "AnswerWithheld": "people of {dataset} whom it answered about before left, were erased or corrected, or came by"
    " another name, and since then fewer changed than its limits.least_people: an answer now would tell of those few."
    " After an erasure it takes part again once so many others came or changed (`fedsov ingest` or `fedsov ingest"
    " --append` of newer rows; no setting mends it), and until then its model of before stays; what left or changed by"
    " mistake mends it as it was. In a table without names a corrected row is another person's: name a column"
    " (`fedsov region set {region} datasets.{dataset}.subject=COLUMN{place}`, then ingest anew)",
    "LimitExceeded": "it was asked for more than its limits allow (`fedsov region show {region}{place}`; `fedsov region"
    " set {region} limits.rounds=N{place}` changes one)",
    "SettingsBroken": "its settings {folder}/region.yaml were edited by hand, put back or lost; restore your copy, and"
    " change them with `fedsov region set {region} KEY=VALUE{place}`",
    "InputError": "its rows cannot be used for this target; its log names the column",
    "WorkspaceUnusable": "its folder {folder} cannot be written, or another process answers for it in this run;"
    " free space or permissions and run again",
    "SyntheticRefused": "its synthetic rows did not pass the release check; its log says which measure",
    "BenchFailed": "the process that runs its model code ended, took too long, or answered what is no answer; its log"
    " says which. Another network (model.name), or more memory, mends it",
    "RegionProcessEnded": "its process ended; was it killed, or is there too little memory?",
}

IN_A_ROUND: Mapping[str, str] = {
    "Refused": "its own gate held back its answer; `fedsov ledger show {region} --refused` says why. Scores about fewer"
    " than ten people never leave (floor.min_count): more rows mend it, or leave regions with so few out"
    " (strategy.federated.min_rows=N)",
    "CrossingRefused": "the hub's gate does not let the model go to it; `fedsov ledger show hub --refused` says why",
}


def in_a_round(region: str, why: str) -> str:
    """Why a region has no part in a round, with the way to mend it where a gate refused."""
    return f"{why}: {IN_A_ROUND[why].format(region=region)}" if why in IN_A_ROUND else why


def error_by_name(name: str, message: str) -> FedsovError:
    """The error of fedsov's tree with that name and this message; FedsovError for a name not in the tree."""
    kind = getattr(errors, name, FedsovError)
    return kind(message) if isinstance(kind, type) and issubclass(kind, FedsovError) else FedsovError(message)


def region_error(region: str, name: str, *, folder: Path, dataset: str, is_here: bool = True) -> FedsovError:
    """The error to show for a region that answered with the name of an exception's type, or with its words too.

    Args:
        folder: the region's own.
        is_here: whether that folder is on this machine; of another machine's no path is known here.
    """
    name, _, text = name.partition(": ")
    if text:
        return error_by_name(name, text)
    place = f" --workspace {shlex.quote(str(folder.parent.parent))}" if is_here else " --workspace HOME"
    folder, where = (folder, "") if is_here else (Path("regions") / region, f" in HOME, the home of region {region}")
    way = WAYS_OUT.get(name, "it failed with {name}; its text is in the region's own log").format(
        folder=folder, dataset=dataset, name=name, region=region, place=place
    )
    return error_by_name(name, f"region {region}: {way} ({name}; log: {folder / 'worker.log'}{where})")
