"""A deployment of two regions, each in a home of its own, made by the functions that the commands call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fedsov.api.deployment.approvals import approve, examine
from fedsov.api.deployment.authority import AuthorityFolder, certificate_in, open_authority
from fedsov.api.deployment.joining.invitations import Invitation, authority_of, read_invitation
from fedsov.api.deployment.joining.joining import AcceptedPackage, accept, join
from fedsov.api.deployment.joining.packages import Approved
from fedsov.api.deployment.setting_up import SetUp, set_up
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.keys.certificates import OpenAuthority, fingerprint
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HUB = HubAddress("hub.example.org", 9092)
WORDS = "correct horse battery"
SAID = {"by": "A. Person", "why": "as agreed"}


@dataclass(frozen=True)
class Deployment:
    """The folder of `set_up`, and the regions' homes beside it."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "deployment"

    @property
    def hub(self) -> Path:
        return self.folder / "hub"

    def home(self, name: str) -> Path:
        return self.root / "homes" / name

    def invitation(self, name: str) -> Path:
        return self.folder / "invitations" / name

    def set_up(self, *overrides: str, passphrase: str = WORDS) -> SetUp:
        words = overrides or ("federation.regions=[DE,US]",)
        run = settings(compose([*words, f"workspace={self.root / 'unused'}"]))
        return set_up(self.folder, run, HUB, passphrase=lambda _: passphrase, now=NOW, **SAID)

    def authority(self) -> OpenAuthority:
        return open_authority(AuthorityFolder(self.folder / "ca"), WORDS)

    def read(self, name: str) -> Invitation:
        folder = self.invitation(name)
        return read_invitation(folder, trusted=fingerprint(authority_of(folder, now=NOW)), now=NOW)

    def join(self, name: str, home: Path | None = None, now: datetime = NOW) -> Path:
        return join(home or self.home(name), self.read(name), now=now, **SAID)

    def approve(self, request: bytes, now: datetime = NOW) -> Approved:
        authority = certificate_in(AuthorityFolder(self.folder / "ca"))
        return approve(self.hub, examine(self.hub, request, authority), self.authority(), now=now, **SAID)

    def accept(self, name: str, package: bytes, now: datetime = NOW) -> AcceptedPackage:
        return accept(self.home(name), package, now=now, **SAID)

    def member(self, name: str) -> AcceptedPackage:
        """A region that joined, was approved and has accepted."""
        return self.accept(name, self.approve(self.join(name).read_bytes()).package.read_bytes())

    def of(self, name: str) -> DeploymentFolder:
        return DeploymentFolder(self.hub if name == "hub" else self.home(name))
