"""Whether a region takes a job: its own settings beside what the job asks for, before anything is opened or sorted.

    own = admit(place, job_dataset, asked, run="r1")       # or JobRefused, with an entry that says why
    admit_rows(place, own, manifest, run="r1")             # the stored rows were sorted as the settings say

In one workspace the first ingestion writes a region's settings, from what whoever runs it asked for (`settle`); from
then on only `fedsov region set` changes them. A further data set's rows are people's until the owner says more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fedsov.artifact import Party
from fedsov.border.gate import Gate
from fedsov.border.law.in_force import law_in_force
from fedsov.errors import JobRefused
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.arrival import ArrivingRows
from fedsov.partition.description import LABELLING, Description, differing, of_schema, of_target, read_description
from fedsov.partition.manifest import MANIFEST, Manifest
from fedsov.partition.records import Records, keyed_numbers
from fedsov.partition.store import Store
from fedsov.protocol.job import Asked, TrainingJob
from fedsov.region.own_dataset import OwnDataset, in_shell, same_people
from fedsov.region.people_budgets import share_many
from fedsov.region.settings import RegionSettings, first_settings
from fedsov.region.settings_file import Change, check_ledger, has_settings, read_settings, write_settings
from fedsov.region.trust.parties import Parties
from fedsov.serialization import to_plain
from fedsov.storage.workspace import Workspace, ledger_of, store_of


@dataclass(frozen=True, slots=True)
class Place:
    """A region's folder and its opened ledger."""

    folder: Path
    ledger: Ledger


@contextmanager
def open_region(folder: Path, name: str) -> Iterator[tuple[Place, RegionSettings]]:
    """A region with settings: its place, the ledger open for writing, and what is in force.

    Raises LedgerBroken where the ledger is gone or never noted the settings; SettingsBroken, ConfigurationError.
    """
    check_ledger(folder, name)
    with closing(Ledger(ledger_of(folder), name)) as ledger:
        yield Place(folder, ledger), read_settings(folder, ledger)


def admit(
    place: Place, dataset: str, asked: Asked, *, run: str, job: TrainingJob | None = None, alone: bool = False
) -> RegionSettings:
    """The region's settings, where they allow what the job asks for.

    Args:
        job: what is learned within which bounds, whatever `asked` says; None where nothing is learned.
        alone: whoever submits the job is not the region's owner: what region.yaml does not say, no job says for it.

    Raises:
        JobRefused: they do not; says each thing, and the ledger has an entry that says the same.
        SettingsBroken, ConfigurationError: they cannot be read.
    """
    own = read_settings(place.folder, place.ledger)
    if job is not None:
        of_job = {**of_target(job.target), **of_schema({"bounds": job.bounds})}
        asked = replace(asked, description={**(asked.description or {}), **of_job})
    _check(place, own, dataset, asked, run=run)
    if (alone or job is not None) and (faults := own.of_dataset(dataset).unsaid(own.region, dataset, asked)):
        refuse(place, faults, asked, run=run)
    if job is not None and job.privacy is not None:  # under noise too values are within what the owner declares
        of_noise = of_schema({"bounds": job.privacy.bounds, "levels": job.privacy.levels})
        _check(place, own, dataset, replace(asked, description=of_noise), run=run)
    return own


def gate_outside_runs(place: Place, own: RegionSettings, owner: Party, dataset: str) -> Gate:
    """A region's gate for what comes and goes in no run, by its own law, register and clock.

    Args:
        owner: the region, as it is pinned.
        dataset: whose rows it is asked about: made-up documents count where these are examples. "" of no data set.

    Raises as `RegionSettings.bundle`.
    """
    asked, workspace = Asked(evidence=own.evidence, unsafe_open=own.law.unsafe_open), Workspace.around(place.folder)
    return Gate(
        owner,
        bundle=own.bundle(asked, workspace.law),
        evidence=own.register(dataset, asked, place.ledger, workspace.reviewers),
        ledger=place.ledger,
        run="",
        today=place.ledger.today,
    )


def admit_rows(place: Place, own: RegionSettings, stored: Manifest, *, run: str) -> None:
    """Raises JobRefused, with an entry, where people's rows were sorted by another description than holds now."""
    if own.of_dataset(stored.dataset).is_as_described(stored.description):
        return
    why = (
        f"region {own.region} holds rows of {stored.dataset} that were sorted by another description than "
        f"datasets.{stored.dataset} of its region.yaml; ingest them again, by `fedsov ingest` with dataset.* as "
        f"`fedsov region show {own.region}` shows it"
    )
    refuse(place, [why], Asked(), run=run)


def admit_further(
    place: Place, keys: RegionKeys, dataset: str, asked: Asked, arriving: ArrivingRows, *, run: str
) -> None:
    """Raises JobRefused, with an entry, where the region holds these people under another name, unsaid or bound less.

    Args:
        dataset: whose rows are about to be stored.
    """
    if not has_settings(place.folder, place.ledger):
        return
    own = read_settings(place.folder, place.ledger)
    described, mine = read_description(asked.description or {}), own.of_dataset(dataset)
    for name, other in own.datasets.items():
        store = store_of(place.folder, name)
        if name == dataset or (mine.examples and other.examples) or not (store / MANIFEST).exists():
            continue
        differ = differing(other.description, described)
        named = [] if mine.examples or other.examples else [key for key in differ if key in LABELLING]
        unsaid = [key for key in differ if key not in mine.description]
        is_said = name in same_people(own.datasets, dataset)
        if is_said and not named and not unsaid:
            continue
        if not _are_same(Store.open(store, keys).read(), arriving, keys):
            if _is_for_the_owner_to_say(mine, other, described):
                refuse(place, [_unsaid(own.region, dataset, name)], asked, run=run)
            continue
        if named:
            words = " ".join(in_shell(f"datasets.{name}.{key}", described[key]) for key in named)
            why = (
                f"region {own.region} holds rows of {dataset} as rows of {name} too, under another label "
                f"({', '.join(f'dataset.{key}' for key in named)}), and rows are bound alike under every name: "
                f"describe them as `fedsov region show {own.region}` shows of {name}, or let `fedsov region set "
                f"{own.region} {words}` take this for both, and ingest both again"
            )
        else:
            changes = {
                "same_people": sorted({*(mine.same_people or ()), name}),
                **{key: described[key] for key in differ},
            }
            words = " ".join(in_shell(f"datasets.{dataset}.{key}", value) for key, value in changes.items())
            why = (
                f"region {own.region} holds rows of {dataset} as rows of {name} too, and a job does not name people "
                f"anew: two answers about them would tell of one; `fedsov region set {own.region} {words}` says that "
                "they are the same people, and their answers count together"
            )
        refuse(place, [why], asked, run=run)


def _is_for_the_owner_to_say(mine: OwnDataset, other: OwnDataset, described: Description) -> bool:
    """Whether nothing tells people apart from those of another data set, and the owner said nothing.

    The same subjects, read alike, tell them apart. Without them a file with a number rounded, or read with other marks,
    has no row that was met before.
    """
    if mine.examples or other.examples or mine.same_people is not None or other.same_people is not None:
        return False
    subjects, formats = ([each.get(key) for each in (described, other.description)] for key in ("subject", "csv"))
    return None in subjects or subjects[0] != subjects[1] or (formats[0] or {}) != (formats[1] or {})


def _unsaid(region: str, dataset: str, other: str) -> str:
    command = f"`fedsov region set {region} datasets.{dataset}.same_people="
    return (
        f"region {region} holds people's rows of {other}, and nothing tells whether those of {dataset} are of other "
        f"people, as one dataset.subject and one dataset.csv for both would: {command}[]` says that they are, "
        f"{command}[{other}]` that they are of the same"
    )


LEAST_APART, COINCIDE = 0.95, 0.1
"""Columns in common know people again where this share of rows differs from all others, and that share is met."""


def _are_same(records: Records, arriving: ArrivingRows, keys: RegionKeys) -> bool:
    """Whether rows are about people whom the region holds: by what names them, their values, or columns in common."""
    if records.row_digests is not None:
        values = np.unique(arriving.row_digests(keys))
        if share_many(np.unique(records.row_digests), values):
            return True
    if share_many(*(np.unique(keyed_numbers(names)) for names in (records.subjects, arriving.pseudonyms(keys)))):
        return True
    names = sorted({*records.columns} & {*arriving.columns})
    if not names:
        return False
    stored, coming = (
        Counter(zip(*(map(str, columns[name].tolist()) for name in names), strict=True))
        for columns in (records.columns, arriving.columns)
    )
    apart = [{row for row, count in rows.items() if count == 1} for rows in (stored, coming)]
    are_apart = all(
        len(single) >= LEAST_APART * rows.total() for single, rows in zip(apart, (stored, coming), strict=True)
    )
    return are_apart and len(apart[0] & apart[1]) > COINCIDE * min(map(len, apart))


def settle(
    place: Place,
    keys: RegionKeys,
    dataset: str,
    asked: Asked,
    *,
    run: str,
    retention_days: int | None = None,
    peers: Mapping[str, str] | None = None,
    parties: Parties | None = None,
) -> tuple[RegionSettings, bool]:
    """As `admit`, after an ingestion; writes settings where there are none, or what they do not say so far.

    That is what this data set is sorted by, and the parties where none were pinned. Gives also whether it wrote.

    Args:
        peers: the verify keys of the parties at hand.
        parties: those of this job.

    Raises as `admit`, and WorkspaceUnusable, LedgerBroken, KeyUnavailable.
    """
    by = f"the first ingestion of {dataset}"
    if not has_settings(place.folder, place.ledger):
        law = law_in_force(Workspace.around(place.folder).law).digest
        owner = place.ledger.owner
        days = retention_days
        first = first_settings(owner, dataset, asked, retention_days=days, peers=peers, parties=parties, law=law)
        _check(place, first, dataset, asked, run=run)
        return write_settings(place.folder, keys, place.ledger, Change(first, by, "as the run that wrote it")), True
    own = read_settings(place.folder, place.ledger)
    _check(place, own, dataset, asked, run=run)
    if faults := own.parties.contradictions(own.region, parties or Parties()):
        refuse(place, faults, asked, run=run)
    before = own.datasets.get(dataset)
    after = (before or OwnDataset()).completed(asked)
    more = replace(_pinning(own, peers or {}, parties), datasets={**own.datasets, dataset: after})
    if more == own:
        return own, False
    why = "a further data set" if before is None else "what its rows are sorted by"
    why = why if before != after else "the parties, which were not pinned"
    return write_settings(place.folder, keys, place.ledger, Change(more, by, why)), True


def _pinning(own: RegionSettings, peers: Mapping[str, str], parties: Parties | None) -> RegionSettings:
    """The settings with this job's parties where none were pinned: of the peers those whose keys are pinned, if any."""
    if parties is None or (own.parties.region is not None and own.parties.hub is not None):
        return own
    keys = own.keys or {name: key for name, key in peers.items() if name != own.region}
    known = {name: party for name, party in parties.peers.items() if name in keys}
    return replace(own, keys=keys, parties=own.parties.completed(replace(parties, peers=known)))


def _check(place: Place, own: RegionSettings, dataset: str, asked: Asked, *, run: str) -> None:
    if refusals := own.refusals(dataset, asked):
        refuse(place, refusals, asked, run=run)


def refuse(place: Place, why: Sequence[str], asked: Asked, *, run: str) -> None:
    """Raises JobRefused, once the ledger has an entry that says the same."""
    said = {"asked": to_plain(asked), "why": list(why)}
    place.ledger.note({"refused_job": said}, run=run)
    raise JobRefused("; ".join(why))
