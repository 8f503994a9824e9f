"""What a party of a deployment keeps beside its workspace: who it is, its certificate and key, and who was revoked.

    deployment/
      party.yaml      name, role, and where the hub listens
      ca.crt          the authority that signed every party's certificate
      party.crt       this party's certificate, for TLS on both sides
      party.key       its private key (P-256, 0600), which is made here and never leaves
      party.key.next  the key of a request that waits for approval; party.key once its certificate is there
      request-NAME.json   of a region or an operator: that request
      revoked.json    certificates that were taken back, signed by the hub
      members.json    at the hub: every party that was approved, with its public key
      operator.crt    at the hub: the certificate and key by which jobs are submitted from here
      packages/       at the hub: what each party was answered last, to send again
      node_id         of a region: the number that Flower's SuperLink gave it last

Every path is a value; nothing is created until it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeploymentFolder:
    """The paths of a party's deployment, by its home: the workspace that it keeps."""

    home: Path

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.home / "deployment"

    @property
    def party(self) -> Path:
        return self.root / "party.yaml"

    @property
    def authority(self) -> Path:
        """The certificate of the authority."""
        return self.root / "ca.crt"

    @property
    def certificate(self) -> Path:
        return self.root / "party.crt"

    @property
    def key(self) -> Path:
        return self.root / "party.key"

    @property
    def next_key(self) -> Path:
        """The key that a request names, until its certificate is there."""
        return self.root / "party.key.next"

    def request(self, name: str) -> Path:
        return self.root / f"request-{name}.json"

    def package(self, name: str) -> Path:
        return self.root / "packages" / f"package-{name}.json"

    @property
    def revoked(self) -> Path:
        return self.root / "revoked.json"

    @property
    def members(self) -> Path:
        return self.root / "members.json"

    @property
    def operator_certificate(self) -> Path:
        return self.root / "operator.crt"

    @property
    def operator_key(self) -> Path:
        return self.root / "operator.key"

    @property
    def node_id(self) -> Path:
        return self.root / "node_id"
