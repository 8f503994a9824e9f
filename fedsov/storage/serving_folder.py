"""What a region's folder has of its endpoint: the versions that may answer, their files, and the log of requests.

    serving/
      endpoint.json   what the endpoint's processes are told, signed by the region
      approved.json   the versions that may answer here, signed by the hub and by the region
      issuers.yaml    whose tokens are believed, as the region's settings took it
      models/MODEL/VERSION/   the files of an approved version, and reference.json: what its training inputs were like
      running/versions.json   what the endpoint's workers have now, and their counts; for this region alone
      use/            who asked for what in windows that are not closed yet: keyed digests of people
      requests/       the log of requests: encrypted, each batch chained to the one before
      tls.crt, tls.key        the endpoint's certificate and key

Every path is a value; nothing is created until it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServingFolder:
    """The paths of a region's endpoint, by the region's folder."""

    region: Path

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.region / "serving"

    @property
    def endpoint(self) -> Path:
        return self.root / "endpoint.json"

    @property
    def approved(self) -> Path:
        return self.root / "approved.json"

    @property
    def approved_lock(self) -> Path:
        """Held by whoever puts a list in its place."""
        return self.root / "approved.lock"

    @property
    def issuers(self) -> Path:
        return self.root / "issuers.yaml"

    @property
    def running(self) -> Path:
        return self.root / "running" / "versions.json"

    @property
    def requests(self) -> Path:
        """The folder of the log."""
        return self.root / "requests"

    @property
    def use(self) -> Path:
        """The folder of windows of use."""
        return self.root / "use"

    @property
    def certificate(self) -> Path:
        return self.root / "tls.crt"

    @property
    def key(self) -> Path:
        return self.root / "tls.key"

    @property
    def has_certificate(self) -> bool:
        """Whether certificate and key are both there."""
        return self.certificate.exists() and self.key.exists()

    def model(self, name: str, version: int) -> Path:
        """The folder of one approved version."""
        return self.root / "models" / name / str(version)
