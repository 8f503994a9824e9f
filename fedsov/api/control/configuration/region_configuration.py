"""A region takes what its hub proposes of its settings, as far as its owner lets it, and answers with what is in force.

    taken = ProposalTaker(workspace, "DE", reads)
    taken.act(client)                # on news, and from time to time

Each setting goes the way of `fedsov region set`: the same checks, a new signed region.yaml, a note in the region's
ledger that names who proposed it. What region.yaml does not list under ``proposals`` is refused by name, and its owner
may still set it. A bundle of law comes with its proposal, is believed by its own publisher's signature alone, and the
answer says which standing permissions it decides otherwise. While a run holds the workspace the proposal waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from fedsov.api import region_settings
from fedsov.api.border import law_bundles
from fedsov.api.control.repository.region_source import RegionReads
from fedsov.border.law.bundle_file import installed, read_bundle_file
from fedsov.errors import ConfigurationError, FedsovError, RepositoryRefused, WorkspaceUnusable
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.proposed_settings import (
    LAW,
    ProposedSetting,
    SettingsAnswer,
    SettingsProposal,
    law_path,
    proposal_path,
)
from fedsov.region.admission import open_region
from fedsov.region.proposals import may_propose
from fedsov.region.serving.hosting import categories_of_stores
from fedsov.region.serving.law_changes import law_changes
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import flat, noted
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.locks import hold_file
from fedsov.storage.workspace import Workspace

NOTE = "settings_proposal"
"""What a region's ledger calls the note of an answer to a proposal."""
_OWNER = (
    "region.yaml of {region} lets no hub propose {key}; the owner sets it (`fedsov region set {region} {key}=VALUE`) "
    "or lists it (`fedsov region set {region} proposals=[{key}]`), and then the hub proposes it again"
)


@dataclass(slots=True)
class _Taken:
    """What became of a proposal so far."""

    applied: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    waits: str = ""


class ProposalTaker:
    """What a region's agent does where the hub has news of settings, and from time to time.

    Args:
        root: the workspace that holds the region, or its home.
    """

    def __init__(self, root: Path, name: str, reads: RegionReads) -> None:
        self._root, self._name, self._reads = root, name, reads
        self._answered: tuple[int, str] | None = None

    def act(self, client: ControlClient) -> None:
        """Takes what is proposed now, and answers. Raises RepositoryRefused, LedgerBroken, SettingsBroken, OSError."""
        with hold_file(RegionControlFolder(Workspace(self._root).region(self._name)).lock):
            source = self._reads.source(client)
            source.refresh()
            answer = take(self._root, self._name, _proposal(source, self._name), source)
        self._send(client, answer)
        self._answered = None if answer.waits else (answer.number, answer.digest)

    def again(self, client: ControlClient) -> None:
        """The same, where a proposal waits, or the owner changed the settings since the answer. Raises as `act`."""
        folder = Workspace(self._root).region(self._name)
        with open_region(folder, self._name) as (place, _):
            digest = noted(place.ledger) or ""
        if self._answered is None or self._answered[1] != digest:
            self.act(client)

    def _send(self, client: ControlClient, answer: SettingsAnswer) -> None:
        folder = Workspace(self._root).region(self._name)
        with open_region(folder, self._name) as (place, _):
            client.answer_configuration(control.ConfigurationAnswer(document=answer.signed(place.ledger.sign)))


def take(root: Path, name: str, proposal: SettingsProposal, source: ApprovedSource) -> SettingsAnswer:
    """Takes a proposal as far as region.yaml lets it; what the region says to it.

    Raises RepositoryRefused for an older proposal than the region answered; LedgerBroken, SettingsBroken.
    """
    folder, taken = Workspace(root).region(name), _Taken()
    with open_region(folder, name) as (place, own):
        _check_newest(place.ledger, proposal)
    for key, proposed in sorted(proposal.settings.items(), key=lambda item: item[0] != LAW):
        if not may_propose(own.proposals, key):
            taken.refused[key] = _OWNER.format(region=name, key=key)
            continue
        try:
            _set(root, name, key, proposed, source, taken)
        except WorkspaceUnusable as problem:
            taken.waits = str(problem)
            break
        except FedsovError as problem:
            taken.refused[key] = str(problem)
    with open_region(folder, name) as (place, own):
        _note(place.ledger, proposal, taken)
        return SettingsAnswer(
            name,
            proposal.number,
            in_force=_in_force(own, proposal),
            refused=taken.refused,
            changes=tuple(taken.changes),
            waits=taken.waits,
            digest=noted(place.ledger) or "",
            at=entry_time(),
        )


def _proposal(source: ApprovedSource, name: str) -> SettingsProposal:
    """What stands proposed; nothing where nothing ever was."""
    path = proposal_path(name)
    if not source.is_published(path):
        return SettingsProposal(name, 0)
    proposal = SettingsProposal.from_text(source.file(path))
    if proposal.region != name:
        raise RepositoryRefused(f"the hub published settings of {proposal.region} for {name}; nothing was changed")
    return proposal


def _check_newest(ledger: Ledger, proposal: SettingsProposal) -> None:
    notes = [entry.body["note"][NOTE] for entry in ledger.notes(NOTE)]
    answered = int(notes[-1]["number"]) if notes else 0
    if proposal.number < answered:
        raise RepositoryRefused(
            f"the hub hands out proposal {proposal.number} of settings, and {ledger.owner} answered {answered}: it "
            "was put back from a backup; nothing was changed; propose them again"
        )


def _set(root: Path, name: str, key: str, proposed: ProposedSetting, source: ApprovedSource, taken: _Taken) -> None:
    """Puts a setting in force, unless it is. Raises what `region_settings.set_settings` does."""
    before = region_settings.show(root, name).settings
    word = f"{key}={proposed.value}"
    if key == LAW:
        if before.law.bundle == proposed.value:
            return
        _install(root, proposed.value, source)
        word = region_settings.INSTALLED_LAW
        taken.changes += _changes(root, name, before, proposed.value)
    elif before.changed([word]) == before:
        return
    why = f"proposal {proposed.number} of the hub: {proposed.why}"
    region_settings.set_settings(root, [name], [word], by=f"{proposed.by} (hub)", why=why)
    taken.applied.append(key)


def _install(root: Path, digest: str, source: ApprovedSource) -> None:
    """Puts a bundle of law into the folder of law, by its publisher's signature; nothing where it is there.

    Raises ConfigurationError where nobody signed it whose word counts here, or it is another one.
    """
    new = installed(Workspace(root).law)
    if new is not None and new.bundle.digest == digest:
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "law.json"
        path.write_bytes(source.file(law_path(digest)))
        if read_bundle_file(path).bundle.digest != digest:
            raise ConfigurationError("the hub published another law than it proposed; let it propose the law again")
        law_bundles.install(root, path)


def _changes(root: Path, name: str, before: RegionSettings, digest: str) -> tuple[str, ...]:
    """What the new law decides otherwise of the region's standing permissions, where it serves."""
    after = before.changed([f"{LAW}='{digest}'"])
    with open_region(Workspace(root).region(name), name) as (place, _), suppress(ConfigurationError):
        return law_changes(place, before, after, categories_of_stores(place.folder))
    return ()


def _in_force(own: RegionSettings, proposal: SettingsProposal) -> dict[str, str]:
    """The settings that the region lets a hub propose, as `fedsov region set` takes them."""
    plain = flat(replace(own, split="").to_plain())
    listed = {key: _word(value) for key, value in plain.items() if may_propose(own.proposals, key)}
    missing = {key: "" for key in proposal.settings if key not in listed and may_propose(own.proposals, key)}
    return {**missing, **listed}


def _word(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, str):
        return value
    return str(yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip())


def _note(ledger: Ledger, proposal: SettingsProposal, taken: _Taken) -> None:
    """Has the ledger say what was answered, where that is another answer than before."""
    note: dict[str, Any] = {
        "number": proposal.number,
        "applied": taken.applied,
        "refused": sorted(taken.refused),
        "changes": taken.changes,
        "waits": taken.waits,
    }
    notes = [entry.body["note"][NOTE] for entry in ledger.notes(NOTE)]
    if proposal.number and (taken.applied or not notes or _is_other(notes[-1], note)):
        ledger.note({NOTE: note})


def _is_other(before: Mapping[str, Any], note: Mapping[str, Any]) -> bool:
    """Whether an answer says more than that what was applied before is in force."""
    return any(before.get(key) != note[key] for key in ("number", "refused", "waits"))
