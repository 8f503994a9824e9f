"""What the control plane keeps at the hub, and what a region keeps of it.

    control/                   in the hub's home
      control.sqlite           what it knows, unless the next file names PostgreSQL
      control.postgresql       the address of that database (0600)
      changed                  touched after each change, so that whoever waits looks again at once
      openid.json              the OpenID provider by which people sign in, and the hub's secret there (0600)
      artifacts/SHA256         files that regions fetch, by their digest
      keys/                    of the repository of approved versions: what signs while the service runs (0600)
      root/                    the three keys that change these, two of which are needed; kept elsewhere, in earnest

    control/                   in a region's folder
      root.json                the repository's root that the region's owner took, before anything was fetched
      metadata/, targets/      what was fetched and verified last
      metrics/                 reports that passed the gate and wait for the hub

Every path is a value; nothing is created until it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HubControlFolder:
    """The paths of a hub's control plane, by the hub's home."""

    home: Path

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.home / "control"

    @property
    def database(self) -> Path:
        return self.root / "control.sqlite"

    @property
    def database_address(self) -> Path:
        return self.root / "control.postgresql"

    @property
    def openid(self) -> Path:
        return self.root / "openid.json"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def root_keys(self) -> Path:
        return self.root / "root"

    def artifact(self, sha256: str) -> Path:
        """A file, by its digest in hexadecimal."""
        return self.root / "artifacts" / sha256


@dataclass(frozen=True, slots=True)
class RegionControlFolder:
    """The paths of what a region has of the control plane, by the region's folder."""

    region: Path

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.region / "control"

    @property
    def trusted_root(self) -> Path:
        return self.root / "root.json"

    @property
    def lock(self) -> Path:
        """Held by whoever reads the repository into this folder."""
        return self.root / "lock"

    @property
    def agent(self) -> Path:
        """Whether the hub can be reached, and what of it was refused, as the agent had it last."""
        return self.root / "agent.json"

    @property
    def guard(self) -> Path:
        """Since when each version that is judged runs, and what it had answered before."""
        return self.root / "guard.json"

    @property
    def metadata(self) -> Path:
        return self.root / "metadata"

    @property
    def targets(self) -> Path:
        return self.root / "targets"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"
