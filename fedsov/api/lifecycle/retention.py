"""Periods and legal holds of one region: what `fedsov retention` and notebooks call."""

from __future__ import annotations

from pathlib import Path

from fedsov.api.lifecycle import quarantine, request_log
from fedsov.api.lifecycle.erasure import premises, reason
from fedsov.api.region_settings import user
from fedsov.errors import ConfigurationError, unknown
from fedsov.partition.lifecycle.quarantine import dataset_of
from fedsov.region.lifecycle import legal_holds, retention
from fedsov.region.lifecycle.erasure import Premises, check_unnamed, stores_in, subject_of
from fedsov.region.lifecycle.legal_holds import Hold
from fedsov.region.lifecycle.retention import Due


def plan(root: Path, name: str) -> tuple[list[Due], dict[Hold, dict[str, str]]]:
    """What is past its period, and the holds in force; no row is written. Raises as `retention.in_use`.

    Rows without a home go by each region's periods.
    """
    with premises(root, name, purpose="retention") as region:
        shared = quarantine.dues_of(quarantine.past_period(root, region))
        return [*retention.plan(region), *request_log.plan(region), *shared], legal_holds.holds(region.ledger)


def apply(root: Path, name: str, *, by: str = "", why: str) -> list[Due]:
    """Removes what is past its period and on no hold. Raises as `retention.apply`."""
    with premises(root, name, purpose="retention") as region:
        by, why = by or user(), reason(why)
        applied = [*retention.apply(region, by=by, why=why), *request_log.apply(region, by=by, why=why)]
        return [*applied, *quarantine.expire(root, region, by=by, why=why)]


def hold(root: Path, name: str, dataset: str, subject: str | None = None, *, by: str = "", why: str) -> Hold:
    """Puts a data set's rows, or one subject's, on a legal hold. Raises ConfigurationError."""
    with premises(root, name) as region:
        by, why = by or user(), reason(why)
        named = _named(region, dataset, subject, by=by, why=why)
        legal_holds.place(region.ledger, named, by=by, why=why)
        return named


def release(root: Path, name: str, dataset: str, subject: str | None = None, *, by: str = "", why: str) -> Hold:
    """Ends a legal hold. Raises ConfigurationError where there is none."""
    with premises(root, name) as region:
        by, why = by or user(), reason(why)
        named = _named(region, dataset, subject, by=by, why=why)
        legal_holds.release(region.ledger, named, by=by, why=why)
        return named


def _named(region: Premises, dataset: str, subject: str | None, *, by: str, why: str) -> Hold:
    """The hold that is meant. Raises ConfigurationError, also where `by` or `why` names its subject."""
    logged = {request_log.NAME} if request_log.has_log(region.folder) else set()
    stored = sorted({dataset_of(path.name) for path in stores_in(region.folder)} | logged)
    if dataset not in stored:
        raise ConfigurationError(unknown("data set", dataset, stored))
    if subject is None:
        return Hold(dataset)
    person = subject_of(region.keys, subject)
    check_unnamed(person, by=by, why=why)
    return Hold(dataset, person.digest)
