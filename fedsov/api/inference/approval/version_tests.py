"""`attack --model MODEL --version N`: the verdict of an attack test is recorded for a version.

    tested = version_under_test(settings, "stackoverflow-de", 1, region=None)     # before minutes of attacks
    rows = of_region(settings, tested.region, most=2000)
    record_test(settings, tested, report, digest, by="A. Person")

The test attacks the training that these settings describe, so they must be those of the version's run: its registry
noted them. It is about the rows of one region, whose people the model was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedsov.api.inference.approval import verdicts
from fedsov.api.inference.approval.registered import HUB, Registered, registered
from fedsov.api.inference.approval.verdicts import VersionVerdict
from fedsov.config.hub_settings import training_job
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.region.run_record import flat
from fedsov.runtimes.registry_connection import open_registry
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, ledger_of

TRAINING_KEYS = ("dataset.", "model.", "algorithm.", "privacy.", "federation.rounds", "federation.schedule", "seed")
"""What of a run's settings makes it another training; a region notes its job, all of which does."""


@dataclass(frozen=True, slots=True)
class TestedVersion:
    """A version that is tested, and the region whose rows are attacked."""

    owner: str
    folder: Path
    model: str
    version: int
    digest: str
    label: Label
    region: str


def version_under_test(settings: Settings, model: str, version: int, *, region: str | None) -> TestedVersion:
    """The version, where it comes from the training that these settings describe.

    Args:
        region: whose rows are attacked; None for the region whose model it is.

    Raises ConfigurationError for a version that there is not, another training, or no region.
    """
    workspace = Workspace(settings.workspace.resolve())
    workspace.require()
    known = registered(workspace, model, version)
    if region is None and known.owner == HUB:
        names = ", ".join(workspace.region_names())
        raise ConfigurationError(f"{model} is the hub's; name whose rows are attacked: --region NAME, of {names}")
    _check_same_training(settings, known)
    return TestedVersion(
        known.owner, known.folder, model, version, known.digest, known.saved.label, region or known.owner
    )


def check_rows(tested: TestedVersion, label: Label) -> None:
    """Raises ConfigurationError where the model was not trained on people of the rows that are attacked."""
    if others := label.origins - tested.label.origins:
        raise ConfigurationError(
            f"{tested.model} {tested.version} is bound by {tested.label}, and the rows of {tested.region} are of "
            f"{'+'.join(sorted(others))}: it was not trained on them; attack a region whose rows it was trained on"
        )


def record_test(
    settings: Settings, tested: TestedVersion, report: Mapping[str, Any], digest: str, *, by: str
) -> VersionVerdict:
    """Notes the verdict in the ledger of whoever holds the registry, then as tags in it; the version's verdict now.

    Args:
        digest: SHA-256 of the report's file.

    Raises LedgerBroken, WorkspaceUnusable.
    """
    about = {
        "model": tested.model,
        "version": tested.version,
        "digest": tested.digest,
        "verdict": str(report["verdict"]),
        "report": digest,
        "region": tested.region,
        "by": by,
    }
    with hold_workspace(Workspace(settings.workspace.resolve())), open_registry() as registry:
        path = ledger_of(tested.folder)
        with closing(Ledger.existing(path)) as ledger:
            verdicts.note_verdict(ledger, about)
            worst = verdicts.verdict_of(ledger, tested.model, tested.version, tested.digest)
        for key, value in ((verdicts.NOTE, worst.word), (verdicts.REPORT_TAG, worst.report)):
            registry.tag(tested.folder, tested.model, tested.version, key, value)
    return worst


def _check_same_training(settings: Settings, known: Registered) -> None:
    if known.owner == HUB:
        now = {key: value for key, value in flat(settings.plain).items() if key.startswith(TRAINING_KEYS)}
    else:
        now = flat({name: part for name, part in asdict(training_job(settings)).items() if name != "bounds"})
    differing = [key for key, value in now.items() if known.params.get(key, value) != value]
    if differing:
        key = differing[0]
        called = "federation.rounds" if key == "rounds" else key
        others = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise ConfigurationError(
            f"{known.called} was trained with {called}={known.params[key]}, and these settings say {now[key]}{others}: "
            "the test would be of another training; give the settings of its run"
        )
