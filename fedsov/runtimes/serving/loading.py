"""What an endpoint serves, from the files of its region: the approved versions, and whose tokens are believed.

    state = load_state(place, None)              # at the start
    state = load_state(newer_place, state)       # at a change: what is loaded already is used again

Nothing is served that the list does not name, that is another file than the list says, that takes data for which nobody
decided whose requests may come, or whose list is older than the one that the region's ledger noted, or than one that
was believed before. What cannot be loaded is a fault that is told, and what was served before goes on:
an older version is better than none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fedsov.errors import ApprovalRefused, ConfigurationError, FedsovError
from fedsov.inference.approved import ApprovedList, ApprovedModel, ApprovedVersion, check_file, read_approved
from fedsov.inference.predictor import Predictor
from fedsov.inference.request_log.settings import BEFORE_ANSWER
from fedsov.inference.served import Served
from fedsov.inference.state import EndpointState
from fedsov.inference.tokens.issuers import IssuerTable, read_issuers
from fedsov.inference.use.drift import REFERENCE, Reference
from fedsov.inference.versions import ModelVersions
from fedsov.model.packaging.signature import DESCRIPTION, GRAPH
from fedsov.runtimes.serving.place import EndpointPlace
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded

LARGEST_GRAPH = 2**31
"""Bytes of a model's graph."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A version in memory."""

    approved: ApprovedVersion
    predictor: Predictor
    reference: Reference | None
    digest: str


def load_state(place: EndpointPlace, before: EndpointState | None) -> EndpointState:
    """The state of a place; a model that cannot be loaded goes on as it was `before`, and the state says why."""
    faults: list[str] = []
    models = {} if before is None else dict(before.models)
    counter = place.approved_counter if before is None else max(before.counter, place.approved_counter)
    number = 0 if before is None else before.listed
    try:
        listed = _listed(place, counter)
    except FedsovError as error:
        faults.append(str(error))
    else:
        counter, number = max(counter, listed.counter), listed.counter
        models = {
            name: versions
            for name in listed.models
            if (versions := _versions(place, listed.of(name), models.get(name), faults)) is not None
        }
    return EndpointState(
        region=place.region,
        serves=frozenset((*place.jurisdictions, *place.hosts)),
        elsewhere=dict(place.elsewhere),
        models=models,
        limits=place.limits,
        before_answer=place.log.get("durable") == BEFORE_ANSWER,
        rates=place.limits.of_one_worker(place.workers),
        faults=tuple(faults),
        counter=counter,
        listed=number,
        valid_until=place.valid_until,
    )


def load_issuers(place: EndpointPlace) -> IssuerTable:
    """Whose tokens are believed: nobody's where the settings name no table.

    Raises ConfigurationError where the file is not the one that the settings took.
    """
    path = place.serving.issuers
    if not place.issuers_sha256:
        return IssuerTable(())
    try:
        content = read_bounded(path)
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(
            f"{path} cannot be read ({problem}); run: fedsov region set {place.region} serving.issuers=FILE"
        ) from None
    if hashlib.sha256(content).hexdigest() != place.issuers_sha256:
        raise ConfigurationError(
            f"{path} is not the table that the region's settings took; "
            f"run: fedsov region set {place.region} serving.issuers=FILE"
        )
    return read_issuers(content, path)


def _listed(place: EndpointPlace, at_least: int) -> ApprovedList:
    """The approved versions. Raises ApprovalRefused for a list that is forged, another region's, or put back."""
    path = place.serving.approved
    try:
        content = read_bounded(path)
    except FileNotFoundError:
        return ApprovedList(place.region)
    except (OSError, TooLarge) as problem:
        raise ApprovalRefused(f"{path} cannot be read ({problem}); what was served goes on") from None
    listed = read_approved(content, place.hub_key, place.region_key)
    if listed.region != place.region:
        raise ApprovalRefused(f"{path} is the list of region {listed.region}, not of {place.region}")
    if listed.counter < at_least:
        raise ApprovalRefused(
            f"{path} is list {listed.counter}, and number {at_least} was in force: an older one was put back; restore "
            "the newest, or promote the version again"
        )
    return listed


def _versions(
    place: EndpointPlace, approved: ApprovedModel, before: ModelVersions[Served] | None, faults: list[str]
) -> ModelVersions[Served] | None:
    """The versions of one model; None where none of them can answer. What cannot be loaded is added to the faults."""
    loaded: dict[int, _Loaded] = {}
    earlier = {each.version: each for each in before.all} if before is not None else {}
    wanted = [each for each in (approved.champion, *approved.canaries, *approved.shadows) if each is not None]
    for each in wanted:
        try:
            _check_decided(place, each)
            folder = place.serving.model(each.model, each.version)
            loaded[each.version] = _load(folder, each, earlier.get(each.version), faults)
        except Exception as error:  # boundary: ONNX Runtime's errors have no common class, and the old version goes on
            faults.append(_fault(each, error))
    champion = loaded.get(approved.champion.version) if approved.champion is not None else None
    old = before.champion if before is not None and approved.champion is not None and champion is None else None
    if not loaded and old is None:
        return None
    predictors = [each.predictor for each in loaded.values()] + ([old.predictor] if old is not None else [])
    known = {column.name for predictor in predictors for column in predictor.columns}
    first = champion.predictor if champion else old.predictor if old else predictors[0]
    positional = [column.name for column in first.columns]

    def served(each: ApprovedVersion) -> Served:
        """A loaded version, which takes every column that another one asks for."""
        own = loaded[each.version]
        answering = Served.of(
            own.predictor,
            (each.model, each.version),
            each.mode,
            positional=positional,
            known=known,
            most_rows=place.limits.rows,
            reference=own.reference,
            digest=own.digest,
        )
        return replace(answering, parameters=each.digest)

    return ModelVersions(
        served(champion.approved) if champion is not None else old,
        tuple((served(each), each.share) for each in approved.canaries if each.version in loaded),
        tuple((served(each), each.share) for each in approved.shadows if each.version in loaded),
    )


def _check_decided(place: EndpointPlace, approved: ApprovedVersion) -> None:
    """Raises ApprovalRefused for a version that takes data for which nobody decided whose requests may come."""
    if place.categories and (others := sorted(approved.label.categories.difference(place.categories))):
        raise ApprovalRefused(
            f"it takes {', '.join(others)} data, and for these it is not decided yet whose requests may come; the "
            f"process {place.region} (hosting) decides it within seconds"
        )


def _load(folder: Path, approved: ApprovedVersion, earlier: Served | None, faults: list[str]) -> _Loaded:
    """One version, of exactly the files that were approved. Raises FedsovError, OSError, and what ONNX Runtime does."""
    description = check_file(approved, DESCRIPTION, read_bounded(folder / DESCRIPTION))
    graph = check_file(approved, GRAPH, read_bounded(folder / GRAPH, largest=LARGEST_GRAPH))
    digest = hashlib.sha256(description + graph).hexdigest()
    is_loaded = earlier is not None and earlier.digest == digest
    predictor = earlier.predictor if earlier and is_loaded else Predictor(parsed_json(description), graph)
    return _Loaded(approved, predictor, _reference(folder / REFERENCE, approved, predictor, faults), digest)


def _reference(path: Path, approved: ApprovedVersion, predictor: Predictor, faults: list[str]) -> Reference | None:
    """What the version's inputs were like in training; None, and a fault, where that is not as it was approved.

    A version without one answers all the same: its drift is not measured.
    """
    if REFERENCE not in approved.files and not path.exists():
        return None
    try:
        content = read_bounded(path)
        reference = Reference.from_json(
            parsed_json(check_file(approved, REFERENCE, content) if REFERENCE in approved.files else content)
        )
        if len(reference.inputs) != predictor.n_inputs or len(reference.scores) != len(predictor.words):
            raise ConfigurationError(f"{path} is of another model; approve the version again")
    except (FedsovError, OSError, TooLarge, ValueError, TypeError, KeyError) as error:
        faults.append(f"drift of {approved.model} {approved.version} is not measured: {error}")
        return None
    return reference


def _fault(approved: ApprovedVersion, error: Exception) -> str:
    why = str(error) if isinstance(error, FedsovError) else type(error).__name__
    if isinstance(error, OSError) and not isinstance(error, FedsovError):
        why = f"{Path(str(error.filename)).name}: {error.strerror}"
    return f"{approved.model} {approved.version} ({approved.mode}) cannot be loaded: {why}"


def names_of(models: Mapping[str, ModelVersions[Served]]) -> str:
    """What is served, for a line of the log: ``m 1, m 2 (canary)``."""
    words = [
        f"{served.model} {served.version}" + ("" if served.role == "champion" else f" ({served.role})")
        for versions in models.values()
        for served in versions.all
    ]
    return ", ".join(words) or "nothing"
