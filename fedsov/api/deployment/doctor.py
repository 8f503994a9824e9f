"""What `fedsov doctor` and notebooks call: every check of a party's home, before it runs or while it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fedsov.api.inference.endpoints.endpoint_standing import examine_endpoint
from fedsov.errors import ConfigurationError, FedsovError, unknown
from fedsov.infrastructure.workload.values import HEALTH_PORT
from fedsov.keys.certificates import REGION
from fedsov.runtimes.deployment.preflight.checks import preflight
from fedsov.runtimes.deployment.preflight.values import ExaminedHome, Finding
from fedsov.storage.deployment_folder import DeploymentFolder


def examine(home: Path, region: str | None = None, *, health_port: int = HEALTH_PORT) -> Iterator[Finding]:
    """What each check says, as it is made.

    Args:
        home: the party's home.
        region: of a trial on one machine, the region whose part is meant; its papers lie in the hub's folder.
        health_port: where the party's health is to be told; 0 for nowhere.

    Raises ConfigurationError for a region that the trial has not.
    """
    folder = DeploymentFolder(home)
    if region is not None:
        trial = folder.root / "regions"
        names = sorted(path.name for path in trial.glob("*") if path.is_dir())
        if region not in names:
            raise ConfigurationError(unknown(f"region of the trial in {home}", region, names))
        folder = DeploymentFolder(trial / region)
    return _examined(ExaminedHome(home, folder, health_port))


def _examined(examined: ExaminedHome) -> Iterator[Finding]:
    yield from preflight(examined)
    with suppress(FedsovError):  # the party's file cannot be read, which a check has said
        if examined.party.role == REGION:
            yield from examine_endpoint(examined.own_folder)
