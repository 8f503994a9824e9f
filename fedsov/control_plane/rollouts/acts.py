"""What may be done about a rollout at the hub: by a person there, by a region's approver, and by what regions report.

    rollouts = HubRollouts(database, ledger, repository)
    rollouts.candidate(3, "DE")                  # what DE's approver looks at
    rollouts.take_lists(signed)                  # DE's half of both lists; the answer is what it signs next
    rollouts.take_signatures(signatures)         # from now on nobody is asked any more
    rollouts.start(3, by="A. Person", why="a trial")
    rollouts.rollback(3, by="A. Person", why="complaints")

Each act is one transaction of the database, and the hub's ledger notes it first: whoever is killed when, what was
published is what the state says, and a ledger has at most a note of what did not come to be. Lists and signatures are
there before anything is published, so no act waits for a region.

Proposing a version, and approving it as the hub, take its registry and its gate
(`fedsov.api.control.rollouts.proposing`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.notices import announce
from fedsov.control_plane.repository.metadata import SignedList
from fedsov.control_plane.repository.repository import Repository
from fedsov.control_plane.rollouts import states, tables, wanted
from fedsov.control_plane.rollouts.aliases import show_champion
from fedsov.control_plane.rollouts.lists import whole_lists
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.control_plane.rollouts.states import Rollout, RolloutChange
from fedsov.control_plane.rollouts.status import RolloutStatus, status_of
from fedsov.control_plane.rollouts.tables import RolloutEvent, StoredList
from fedsov.control_plane.rollouts.wanted import WantedList
from fedsov.errors import ApprovalRefused, ConfigurationError, WorkspaceUnusable, unknown
from fedsov.inference.approved import NOTE, Signatory, read_approved
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.protocol.control import APPROVED, ROLLOUTS
from fedsov.protocol.rollouts import (
    BACK,
    FORWARD,
    RoleSignatures,
    RolesToSign,
    RolloutCandidate,
    SignedLists,
    WindowReport,
)
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.workspace import Workspace

_log = logging.getLogger("fedsov.control_plane")

ROLLOUT = "rollout"
"""What the hub's ledger calls the note of an act about a rollout."""


@dataclass(frozen=True, slots=True)
class HubRollouts:
    """The rollouts of a hub.

    Attributes:
        ledger: the hub's, open for writing.
        repository: of signed metadata, which knows each region's key.
    """

    database: Database
    ledger: Ledger
    repository: Repository

    def propose(self, rollout: Rollout, proposal: ProposedVersion) -> RolloutStatus:
        """Enters a rollout, whose number is given here."""
        about = proposal.proposed
        with self.database.changing() as connection:
            number = tables.add(connection, rollout, proposal)
            self._note(connection, "proposed", number, by=about.by, why=about.why)
            return status_of(connection, number)

    def check_approvable(self, rollout: Rollout) -> None:
        """Raises ConfigurationError where a rollout does not wait for the hub's approval."""
        states.approved(rollout, {})

    def approve(
        self, number: int, act: Act, *, refused: Mapping[str, str], files: Mapping[str, bytes]
    ) -> RolloutStatus:
        """Approves a rollout as the hub: the regions that are not refused may fetch its files from now on.

        Args:
            refused: why no crossing was permitted, by region; every other region's is in the hub's ledger.
            files: what the hub hands out, by name; none of a region's own model.

        Raises ConfigurationError where it is approved already or over, or where no region is left.
        """
        with self.database.changing() as connection:
            rollout, proposal = tables.get(connection, number)
            after = states.approved(rollout, refused)
            self._note(connection, "approved", number, by=act.by, why=act.why)
            tables.put(connection, after, replace(proposal, approved=act))
            paths = {f"models/{rollout.model}/{rollout.version}/{name}": content for name, content in files.items()}
            if paths:
                self.repository.publish(connection, files=paths, readers=after.at(states.UNSIGNED))
            for name in after.at(states.UNSIGNED):
                announce(connection, ROLLOUTS, name)
            return status_of(connection, number)

    def candidate(self, number: int, region: str) -> RolloutCandidate:
        """What a region's approver looks at. Raises ConfigurationError where there is nothing to sign for it."""
        with self.database.reading() as connection:
            rollout, proposal = tables.get(connection, number)
        states.check_signable(rollout, region)
        return proposal.candidate(number, region)

    def waiting(self, region: str) -> tuple[int, ...]:
        """The rollouts that wait for a region's approver."""
        with self.database.reading() as connection:
            rollouts = tables.open_rollouts(connection)
        return tuple(
            each.number for each in rollouts if each.state != states.PROPOSED and region in each.at(states.UNSIGNED)
        )

    def take_lists(self, lists: SignedLists) -> RolesToSign:
        """Takes a region's half of both lists, and answers with what it signs next.

        Raises ConfigurationError where there is nothing to sign; ApprovalRefused for lists that say something else.
        """
        candidate = self.candidate(lists.rollout, lists.region)
        wanted_counter = self._wanted_counter(lists.region)
        hub = Signatory(self.ledger.key, self.ledger.sign)
        whole = whole_lists(lists, candidate, hub=hub, region_key=self._region_key(lists.region), wanted=wanted_counter)
        with self.database.changing() as connection:
            rollout, _ = tables.get(connection, lists.rollout)
            tables.put(connection, states.shown(rollout, lists.region))
            forward_role, back_role = (
                self.repository.draft(connection, lists.region, content, after=lists.role_version)
                for content in (whole.forward_text, whole.back_text)
            )
            both = (
                StoredList(
                    direction=FORWARD, counter=whole.forward.counter, content=whole.forward_text, role=forward_role
                ),
                StoredList(direction=BACK, counter=whole.back.counter, content=whole.back_text, role=back_role),
            )
            tables.put_lists(connection, lists.rollout, lists.region, both)
            self._note(connection, "showed its lists", lists.rollout, lists.region, by=lists.by, why=lists.why)
        return RolesToSign(
            rollout=lists.rollout,
            forward=whole.forward_text,
            back=whole.back_text,
            forward_role=forward_role,
            back_role=back_role,
        )

    def take_signatures(self, signatures: RoleSignatures) -> RolloutStatus:
        """Takes a region's signatures of the metadata; a started rollout goes on with it.

        Raises ConfigurationError, ApprovalRefused.
        """
        number, region = signatures.rollout, signatures.region
        with self.database.changing() as connection:
            rollout, _ = tables.get(connection, number)
            change = states.signed(rollout, region)
            own = tables.lists_of(connection, number, region)
            if set(own) != {FORWARD, BACK}:
                raise ConfigurationError(f"{region} has shown no lists for {rollout.called} yet; it does so first")
            self._check_follows(connection, own[FORWARD], rollout, region)
            signed = tuple(
                self._signed(region, own[direction], getattr(signatures, direction)) for direction in (FORWARD, BACK)
            )
            tables.put_lists(connection, number, region, signed)
            self._supersede(connection, rollout, region)
            self._carry_out(connection, change, "signed", region=region, by=region)
            status = status_of(connection, number)
        return self._shown(status)

    def start(self, number: int, *, by: str, why: str, at_once: bool = False, seen: str = "") -> RolloutStatus:
        """Starts a rollout, has the next wave begin, or a frozen one go on.

        Args:
            at_once: leaves out canary and waves.
            seen: how far it was when the person looked (`Rollout.progress`): a click done twice, or by two people at
                once, begins one wave and not two. "" where nobody looked.

        Raises ConfigurationError where that cannot be, or where it went on since.
        """

        def act(rollout: Rollout) -> RolloutChange:
            states.check_progress(rollout, seen)
            return states.started_everywhere(rollout) if at_once else states.started(rollout)

        return self._act(number, "started", act, by=by, why=why)

    def rollback(self, number: int, *, by: str, why: str) -> RolloutStatus:
        """Takes a rollout back from every region that has it. Raises ConfigurationError where none has."""
        return self._act(number, "rolled back", lambda rollout: states.rolled_back(rollout, why), by=by, why=why)

    def freeze(self, number: int, *, by: str, why: str) -> RolloutStatus:
        """Keeps a rollout where it is. Raises ConfigurationError where it does not run."""
        return self._act(number, "frozen", lambda rollout: RolloutChange(states.frozen(rollout, why)), by=by, why=why)

    def report(self, report: WindowReport) -> None:
        """Takes what a region says of a version that it serves; see `fedsov.control_plane.rollouts.states.reported`.

        What it says of a list that no open rollout published is not about any, and changes nothing.
        """
        with self.database.reading() as connection:
            if self._reported(connection, report) is None:
                return
        with self.database.changing() as connection:
            change = self._reported(connection, report)
            if change is None:
                return
            before, _ = tables.get(connection, change.rollout.number)
            if not states.is_step(before, change.rollout):
                tables.put(connection, change.rollout)  # it is shown, and is no act that anybody notes
                return
            self._carry_out(connection, change, f"reported {report.word}", region=report.region, by=report.region)
            status = status_of(connection, change.rollout.number)
        self._shown(status)

    def published(self, region: str) -> tuple[bytes, WantedList] | None:
        """The list that a region is to serve, by a rollout, as both signed it; None where no rollout published one."""
        with self.database.reading() as connection:
            each = wanted.every(connection).get(region)
            if each is None or not each.rollout:
                return None
            return tables.lists_of(connection, each.rollout, region)[each.direction].content, each

    def publish_signed(self, region: str, content: bytes, sign: Callable[[bytes], bytes]) -> None:
        """Publishes a list that both signed outside of any rollout, for whoever holds the region's key here too.

        Raises ApprovalRefused, ConfigurationError.
        """
        listed = read_approved(content, self.ledger.key, self._region_key(region))
        with self.database.changing() as connection:
            draft = self.repository.draft(connection, region, content)
            signed = self.repository.complete(region, content, draft, sign(draft))
            self.repository.publish(connection, lists=[signed])
            announce(connection, APPROVED, region)
            wanted.put(connection, WantedList.of(listed, rollout=0, direction=FORWARD, at=entry_time()))
            why = f"its list was changed since, to list {listed.counter}"
            for other in tables.with_region(connection, region, steps=(states.SIGNED, *states.SERVING)):
                tables.put(connection, states.overtaken(other, region, why))

    def watched(self) -> dict[tuple[str, str, int], str]:
        """What regions' reports are about now: by region, model and version, the word that was reported last."""
        with self.database.reading() as connection:
            if not tables.is_any(connection, states.OPEN):
                return {}
            return {
                (region, rollout.model, rollout.version): rollout.steps[region].word
                for rollout in tables.open_rollouts(connection)
                for region in rollout.at(*states.SERVING)
            }

    def status(self, number: int) -> RolloutStatus:
        """A rollout, and what is known of it. Raises ConfigurationError where there is none of this number."""
        with self.database.reading() as connection:
            return status_of(connection, number)

    def statuses(self, *, only_open: bool = False) -> list[RolloutStatus]:
        """Every rollout, or those that may still go on, the newest first."""
        with self.database.reading() as connection:
            chosen = tables.every(connection, states=states.OPEN if only_open else ())
            return [status_of(connection, rollout.number) for rollout, _ in chosen]

    def wanted(self) -> Mapping[str, WantedList]:
        """Which list each region is to serve."""
        with self.database.reading() as connection:
            return wanted.every(connection)

    def _act(
        self, number: int, called: str, act: Callable[[Rollout], RolloutChange], *, by: str, why: str
    ) -> RolloutStatus:
        with self.database.changing() as connection:
            rollout, _ = tables.get(connection, number)
            self._carry_out(connection, act(rollout), called, by=by, why=why)
            status = status_of(connection, number)
        return self._shown(status)

    def _shown(self, status: RolloutStatus) -> RolloutStatus:
        """The same, once the registry's alias shows it; what counts is published already."""
        try:
            show_champion(Workspace(self.repository.folder.home), status)
        except WorkspaceUnusable as problem:
            _log.warning("the alias of %s is not as the rollout says: %s", status.rollout.model, problem)
        return status

    def _carry_out(
        self, connection: Connection, change: RolloutChange, act: str, *, region: str = "", by: str, why: str = ""
    ) -> None:
        """Notes an act, publishes what comes of it, and writes the rollout as it is then."""
        rollout = change.rollout
        self._note(connection, act, rollout.number, region, by=by, why=why)
        for names, direction in ((change.publish, FORWARD), (change.take_back, BACK)):
            self._publish(connection, rollout, names, direction, by=by, why=why or rollout.why)
        tables.put(connection, rollout)

    def _publish(
        self, connection: Connection, rollout: Rollout, regions: Iterable[str], direction: str, *, by: str, why: str
    ) -> None:
        """Publishes the lists of several regions, under one entry of the ledger's head and one snapshot."""
        stored = {region: tables.lists_of(connection, rollout.number, region)[direction] for region in regions}
        act, at = "approved" if direction == FORWARD else "rolled back", entry_time()
        about = {"act": act, "rollout": rollout.number, "model": rollout.model, "version": rollout.version}
        about |= {"by": by, "why": why}
        self.ledger.note_all(
            {NOTE: {"region": region, "counter": each.counter, "sha256": sha256_hex(each.content), **about}}
            for region, each in stored.items()
        )
        lists = [SignedList(region, each.content, each.role) for region, each in stored.items()]
        self.repository.publish(connection, lists=lists)
        for region, each in stored.items():
            listed = read_approved(each.content, self.ledger.key, self._region_key(region))
            wanted.put(connection, WantedList.of(listed, rollout=rollout.number, direction=direction, at=at))
            words = f"published {direction}"
            event = RolloutEvent(rollout=rollout.number, region=region, at=at, act=words, by=by, why=why)
            tables.note(connection, event)

    def _note(self, connection: Connection, act: str, number: int, region: str = "", *, by: str, why: str) -> None:
        event = RolloutEvent(rollout=number, region=region, at=entry_time(), act=act, by=by, why=why)
        self.ledger.note({ROLLOUT: {"act": act, "number": number, "region": region, "by": by, "why": why}})
        tables.note(connection, event)

    def _wanted_counter(self, region: str) -> int:
        each = self.wanted().get(region)
        return 0 if each is None else each.counter

    def _check_follows(self, connection: Connection, forward: StoredList, rollout: Rollout, region: str) -> None:
        """Raises ApprovalRefused where another list was published for a region since it showed what it signs."""
        published = wanted.every(connection).get(region)
        if published is not None and forward.counter <= published.counter:
            raise ApprovalRefused(
                f"list {published.counter} was published for {region} while it signed {rollout.called}; once it has "
                f"taken that one, `fedsov rollout approve {rollout.number} --region {region}` signs again"
            )

    def _signed(self, region: str, stored: StoredList, signature: bytes) -> StoredList:
        listed = self.repository.complete(region, stored.content, stored.role, signature)
        return replace(stored, role=listed.metadata, is_signed=True)

    def _region_key(self, region: str) -> str:
        """The key (Ed25519, hexadecimal) that a region is known by. Raises ConfigurationError for an unknown one."""
        keys = self.repository.enrolled()
        if region not in keys:
            raise ConfigurationError(unknown("region", region, keys))
        return keys[region]

    def _supersede(self, connection: Connection, rollout: Rollout, region: str) -> None:
        """What a region signed before has no say in it any more: its list is followed by this rollout's."""
        before = (states.UNSIGNED, states.SIGNED, *states.SERVING)
        for other in tables.with_region(connection, region, steps=before):
            if other.number != rollout.number:
                tables.put(connection, states.superseded(other, region, rollout))

    def _reported(self, connection: Connection, report: WindowReport) -> RolloutChange | None:
        """What a report makes of the rollout that it is about; None where it changes nothing."""
        for rollout in tables.open_rollouts(connection):
            if (rollout.model, rollout.version) != (report.model, report.version):
                continue
            forward = tables.lists_of(connection, rollout.number, report.region).get(FORWARD)
            if forward is None or forward.counter != report.counter:
                continue
            change = states.reported(rollout, report.region, report.word)
            return None if change.rollout == rollout else change
        return None
