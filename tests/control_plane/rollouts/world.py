"""A hub's rollouts and the ledgers of its regions, in one folder: real database and signatures, no model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.repository.repository import Repository
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, half_signed, read_approved
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.rollouts import RoleSignatures, RolesToSign, RolloutCandidate, SignedLists, WindowReport
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.workspace import Workspace, ledger_of

NOW = "2026-11-30T12:00:00+00:00"
BY = Act(by="A. Person", why="a trial", at=NOW)


@dataclass
class Region:
    """A region's ledger, and the list that it took last."""

    name: str
    ledger: Ledger
    current: bytes = b""
    role_version: int = 0

    def listed(self, hub_key: str) -> ApprovedList:
        """The list that it took last."""
        return read_approved(self.current, hub_key, self.ledger.key) if self.current else ApprovedList(self.name)

    def half(self, listed: ApprovedList, hub_key: str) -> bytes:
        """A list with its signature."""
        return half_signed(listed, hub_key=hub_key, region=Signatory(self.ledger.key, self.ledger.sign))

    def lists(self, candidate: RolloutCandidate, hub_key: str) -> SignedLists:
        """What its approver signs first."""
        current, version = self.listed(hub_key), version_of(candidate)
        return SignedLists(
            rollout=candidate.rollout,
            region=self.name,
            by="B. Person",
            why="tried",
            at=NOW,
            current=self.current,
            forward=self.half(current.with_version(version, at=NOW), hub_key),
            back=self.half(replace(current, counter=current.counter + 2, issued_at=NOW), hub_key),
            role_version=self.role_version,
        )

    def signatures(self, roles: RolesToSign) -> RoleSignatures:
        """What its approver signs then."""
        forward, back = self.ledger.sign(roles.forward_role), self.ledger.sign(roles.back_role)
        return RoleSignatures(rollout=roles.rollout, region=self.name, forward=forward, back=back)


@dataclass
class HubWorld:
    """The hub's side, open, and its regions."""

    rollouts: HubRollouts
    regions: dict[str, Region] = field(default_factory=dict)

    @staticmethod
    @contextmanager
    def begin(home: Path, *names: str, url: str = "") -> Iterator[HubWorld]:
        """The world of a folder, made where there is none yet."""
        with ExitStack() as opened:
            hub = opened.enter_context(closing(_ledger(Workspace(home).hub, "hub")))
            folder = HubControlFolder(home)
            folder.root.mkdir(exist_ok=True)
            database = opened.enter_context(closing(Database.open(url or f"sqlite:///{folder.database}")))
            world = HubWorld(HubRollouts(database, hub, Repository.open(database, folder, hub)))
            with database.changing() as connection:
                for name in names:
                    ledger = opened.enter_context(closing(_ledger(Workspace(home).region(name), name)))
                    world.regions[name] = Region(name, ledger)
                    world.rollouts.repository.enroll(connection, name, ledger.key)
            yield world

    def propose(self, version: int, canary: str = "") -> int:
        """Proposes and approves a version as the hub; the rollout's number."""
        steps = {name: RegionStep() for name in self.regions}
        rollout = Rollout(0, "people", version, canary=canary or min(steps), steps=steps)
        number = self.rollouts.propose(rollout, proposal_of(version)).rollout.number
        self.rollouts.approve(number, BY, refused={}, files={})
        return number

    def sign(self, number: int, *names: str) -> None:
        """Approves as these regions, or as all."""
        for name in names or self.regions:
            region = self.regions[name]
            roles = self.rollouts.take_lists(region.lists(self.rollouts.candidate(number, name), self.key))
            self.rollouts.take_signatures(region.signatures(roles))

    def take(self) -> None:
        """Each region takes what is published for it."""
        for name, region in self.regions.items():
            if (published := self.rollouts.published(name)) is not None:
                listed = read_approved(published[0], self.key, region.ledger.key)
                if listed.counter > region.listed(self.key).counter:
                    region.current = published[0]

    def report(self, name: str, version: int, word: str) -> None:
        """A region says how a version does, by the list that it has."""
        counter = self.regions[name].listed(self.key).counter
        self.rollouts.report(WindowReport(region=name, model="people", version=version, counter=counter, word=word))

    def champions(self) -> dict[str, int | None]:
        """The version that each region serves."""
        champions = {name: region.listed(self.key).of("people").champion for name, region in self.regions.items()}
        return {name: None if each is None else each.version for name, each in champions.items()}

    @property
    def key(self) -> str:
        """The hub's."""
        return self.rollouts.ledger.key


def proposal_of(version: int) -> ProposedVersion:
    """A version of a model, without files of its own."""
    return ProposedVersion(
        model="people",
        version=version,
        digest=f"{version:064x}",
        label=Label(frozenset({"DE"}), frozenset({"personal"})),
        verdict="undecided",
        report="",
        registry="hub",
        dataset="people",
        run="run1",
        files={},
        proposed=BY,
    )


def version_of(candidate: RolloutCandidate) -> ApprovedVersion:
    """A candidate as it stands on a list."""
    names = ("digest", "mode", "share", "label", "verdict", "report", "registry")
    same = {name: getattr(candidate, name) for name in names}
    files = {"reference.json": "ab" * 32}
    return ApprovedVersion(candidate.model, candidate.version, **same, files=files, by="B. Person", why="tried", at=NOW)


def _ledger(folder: Path, owner: str) -> Ledger:
    folder.mkdir(parents=True, exist_ok=True)
    return Ledger(ledger_of(folder), owner)
